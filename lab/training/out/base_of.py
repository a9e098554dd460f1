"""Where others find the base of an adapter: its id on the hub where it came from one, else a copy beside the adapter.

A path of this machine is never written. Weights that came out of a package, for want of a hub that answered, are near the hub's and not
the same, so they are copied too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.core.algorithms import ALGORITHMS
from lab.errors import LabError
from lab.store.catalogue import PACKAGED, TINY, fetched_names, known_entry, models_folder, source_of
from lab.store.models import SHIPPED, resolve
from lab.store.run_folder import RunFolder

BESIDE = "base"
"""The folder of a copied base, beside the adapter."""
HUB = "hub:"
OURS = "Apache-2.0"
"""The licence of the lab, and of the model that it ships."""
LONGEST_CHAIN = 50


@dataclass(frozen=True)
class Base:
    """A base as others know it."""

    name: str
    """``org/name`` of the hub, or what the lab calls it."""
    hub: str
    """Its id on the hub; empty where it is not there, and a copy goes along."""
    licence: str
    """Empty where it is not known."""
    origin: str
    """One sentence on where its weights came from."""

    from_scratch: bool = False
    """Made of random weights: there is no base, and nobody else's licence."""

    @property
    def named(self) -> str:
        """What an adapter's configuration calls it."""
        return self.hub or BESIDE


def base_of(folder: Path, home: Path) -> Base:
    """The base whose weights lie in ``folder``."""
    for name, shipped in SHIPPED.items():
        if folder.resolve() == shipped.resolve():
            origin = f"`{name}`, the {TINY.parameters:,}-parameter model that ships with the Alignment Lab"
            return Base(name, "", OURS, origin)
    for name in fetched_names(home):
        if folder.resolve() == (models_folder(home) / name).resolve():
            return _fetched(name, folder)
    if folder.parent.parent.name == "runs":
        return Base(f"run {folder.parent.name}", "", "", "trained in the Alignment Lab from another model")
    return Base(folder.name, "", "", "a model folder")


def root_of(folder: Path, home: Path) -> Base:
    """The base that a chain of full runs began with: the one whose licence binds, and that a card names. Where a run of the chain is gone,
    the last one that is known."""
    for _ in range(LONGEST_CHAIN):
        if folder.resolve().parent.parent != (home / "runs").resolve():
            break
        recipe = (RunFolder(folder.resolve().parent).recipe() or {}).get("recipe") or {}
        algorithm = ALGORITHMS.get(str(recipe.get("algorithm")))
        if algorithm is None:
            break
        if not algorithm.starts_from_model:
            return Base("", "", "", "random weights", from_scratch=True)
        try:
            folder = Path(resolve(str(recipe.get("model")), home).base)
        except LabError:
            break
    return base_of(folder, home)


def _fetched(name: str, folder: Path) -> Base:
    source = source_of(folder)
    origin, licence = str(source.get("from") or ""), str(source.get("licence") or "")
    entry = known_entry(name)
    licence = licence or (entry.licence if entry else "")
    if origin.startswith(HUB):
        hub = origin.removeprefix(HUB)
        return Base(hub, hub, licence, f"[{hub}](https://huggingface.co/{hub})")
    if origin.startswith(PACKAGED) and entry is not None:
        package = origin.removeprefix(PACKAGED)
        about = (
            f"[{entry.hub}](https://huggingface.co/{entry.hub}) as the package `{package}` has it: quantised to 4 bits"
        )
        return Base(entry.hub, "", licence, f"{about} and unpacked, which is near the hub's weights and not the same")
    return Base(name, "", licence, "a file that was converted")
