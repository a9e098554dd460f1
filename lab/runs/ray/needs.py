"""The files that a run needs: its own folder as it stands, its data, the models that it starts from, each by the hash of its content.

Not here: how they are sent (``proxy.py``) and laid out (``agent.py``). The shipped models travel with the code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.core.recipes import EQUATIONS, Recipe, parse
from lab.data.datasets import VERSION
from lab.data.file_names import parse_file
from lab.data.group_pairs import GROUPS
from lab.data.hub_rows import HUB, parse_hub
from lab.runs.launcher import ROOT
from lab.runs.ray.parcel import CODE, HOME, Entry, Parcel, hash_of
from lab.store.models import SHIPPED, resolve
from lab.store.run_folder import RunFolder

OWN = ("recipe.json", "metrics.jsonl", "groups.jsonl", "pairs.jsonl", "tokens.jsonl", "before.json", "notes.json")
"""What a worker that goes on finds of the earlier attempts, beside its last checkpoint; ``earlier.json`` too."""
NOT_A_START = frozenset({"optimizer.pt", "scheduler.pt"})
"""Files of a checkpoint that a start model does not need."""


@dataclass
class Needs:
    """What is to be sent, as it is found: files by their place, and the paths that will be others."""

    home: Path
    files: dict[str, tuple[Path, bool]] = field(default_factory=dict)
    paths: list[tuple[str, str]] = field(default_factory=list)

    def add_file(self, path: Path, place: str, *, own: bool = False) -> None:
        """A file, and its place below the receiver's home."""
        if path.is_file():
            self.files.setdefault(place, (path, own))

    def add_folder(self, folder: Path, place: str, *, own: bool = False, without: frozenset[str] = frozenset()) -> None:
        """A folder with everything in it."""
        for path in sorted(folder.rglob("*")):
            if path.name not in without:
                self.add_file(path, f"{place}/{path.relative_to(folder).as_posix()}", own=own)

    def add_outside(self, path: Path, named: str) -> str:
        """A file or a folder that lies outside the home, which a recipe or an adapter calls ``named``; returns its place."""
        number = len({place.split("/")[1] for place in self.files if place.startswith("outside/")})
        place = f"outside/{number}/{path.name}"
        if path.is_dir():
            self.add_folder(path, place)
        else:
            self.add_file(path, place)
        self.paths.append((named, f"{HOME}/{place}"))
        return place

    def add_model(self, model: str) -> None:
        """A model that something starts from, with its base. Raises ModelError."""
        if model == "scratch":
            return
        ref = resolve(model, self.home)
        named = model  # the model's own folder goes by the recipe's word for it, its base by the adapter's
        for folder in (Path(each) for each in (ref.adapter, ref.base) if each is not None):
            if (within := below(folder, self.home)) is not None:
                self.add_folder(folder, within, without=NOT_A_START)
            elif not is_shipped(folder):
                self.add_outside(folder, named)
            named = ref.base
        if model.startswith("run:"):
            run = f"runs/{model[4:].partition('@')[0]}"
            self.add_file(self.home / run / "recipe.json", f"{run}/recipe.json")

    def add_data(self, name: str) -> None:
        """The rows that a name of a recipe's stands for."""
        if not name or name == EQUATIONS:
            return
        if name.startswith(VERSION):
            place = f"exports/{name.removeprefix(VERSION)}"
        elif name.startswith(GROUPS):
            place = f"runs/{name.removeprefix(GROUPS)}/groups.jsonl"
            self.add_file(self.home / place, place)
            return
        elif name.startswith(HUB):
            place = parse_hub(name).folder(Path()).as_posix()
        else:
            path = parse_file(name).path
            self.add_outside(path, name if path == Path(name).expanduser() else name.rpartition("?")[0])
            return
        self.add_folder(self.home / place, place)


def parcel_of(folder: RunFolder) -> tuple[Parcel, dict[str, Path]]:
    """The parcel of a run, and where the content of each hash lies here. Raises LabError or OSError where something is missing."""
    home = folder.path.parents[1]
    recipe = parse(folder.recipe()["recipe"], source=folder.path.name)
    needs = Needs(home)
    _add_own(needs, folder)
    for model in _models(recipe):
        needs.add_model(model)
    for name in (recipe.dataset, recipe.watched_pairs):
        needs.add_data(name)
    trusted = os.environ.get("LAB_TRUSTED_RULES")
    rules = needs.add_outside(Path(trusted), trusted) if trusted else None
    paths = (*needs.paths, (str(home), HOME), (str(ROOT), CODE))
    entries, contents = [], {}
    for place, (path, own) in needs.files.items():
        sha256 = hash_of(path)
        entries.append(Entry(place, sha256, path.stat().st_size, own))
        contents[sha256] = path
    return Parcel(folder.path.name, tuple(entries), paths, rules), contents


def _add_own(needs: Needs, folder: RunFolder) -> None:
    place = f"runs/{folder.path.name}"
    for name in (*OWN, "earlier.json"):
        needs.add_file(folder.path / name, f"{place}/{name}", own=True)
    if (checkpoint := folder.last_checkpoint()) is not None:
        needs.add_folder(checkpoint[1], f"{place}/checkpoints/{checkpoint[1].name}", own=True)


def _models(recipe: Recipe) -> Iterator[str]:
    yield recipe.model
    if recipe.reward_run:
        yield recipe.reward_run


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of a model which travels with the code."""
    return folder.resolve() in {path.resolve() for path in SHIPPED.values()}


def below(path: Path, home: Path) -> str | None:
    """The place of a path below the home; None where it lies elsewhere."""
    try:
        return path.resolve().relative_to(home.resolve()).as_posix()
    except ValueError:
        return None
