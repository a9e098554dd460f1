"""Which runs of a home are the members of a study: one an entry and a seed, found by what they are and not by who started them.

A run is a member where its validated recipe, the content of its data and the content of the models that it starts from are those of
the study. Names, descriptions and how often it saves change nothing in what is trained, so they do not count. Not here: training
what is missing (``lab/runs/studies.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.core.algorithms import Head, algorithm_of
from lab.core.recipes import Recipe, parse
from lab.core.studies import Entry, Study, member_recipe
from lab.data.datasets import load
from lab.errors import LabError, RecipeError
from lab.store.models import content_hash, resolve
from lab.store.presets import load_preset
from lab.store.runs import Run, RunState, Store

NOT_TRAINED_BY = frozenset({"name", "about_en", "about_zh", "save_every", "token_megabytes"})
"""Settings that change nothing in what a run trains and measures."""
BEST_FIRST = (RunState.FINISHED, RunState.RUNNING, RunState.QUEUED, RunState.STOPPED, RunState.LOST, RunState.FAILED)


@dataclass(frozen=True)
class Member:
    """One entry for one seed, and the run that is it, if there is one."""

    entry: Entry
    seed: int
    recipe: Recipe | None
    """None while an earlier entry that it needs has not finished: its run is not known yet."""
    run: Run | None = None
    waits_for: str = ""
    """The entry that it needs and that has not finished."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.run is not None and self.run.state is RunState.FINISHED


def check_study(study: Study) -> dict[str, Recipe]:
    """The preset of each entry by the entry's name. Raises RecipeError where entries do not fit together, or a setting is wrong."""
    presets = {entry.name: load_preset(entry.preset).recipe for entry in study.entries}
    for entry in study.entries:
        own = presets[entry.name].algorithm
        if entry.reward_model and not hasattr(presets[entry.name], "reward_model"):
            raise _unfit("study_reward_model", study, entry, entry.reward_model, own)
        for needed, fits, key in (
            (entry.reward_model, lambda a: a.head is Head.SCORE, "study_not_a_reward_model"),
            (entry.start, lambda a: a.writes_text, "study_no_model"),
            (entry.data, lambda a: a.writes_groups, "study_no_groups"),
        ):
            if needed and not fits(algorithm_of(presets[needed])):
                raise _unfit(key, study, entry, needed, presets[needed].algorithm)
        member_recipe(study, entry, presets[entry.name], study.seeds[0], dict.fromkeys(entry.needs, "pending"))
    return presets


def members(study: Study, store: Store) -> list[Member]:
    """Every member, seed by seed, in the order of the chain. Raises RecipeError of a study that is not valid."""
    presets, known = check_study(study), _Known(store)
    return [member for seed in study.seeds for member in _of_seed(study, presets, seed, known)]


def member_runs(every: Iterable[Member]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """The runs that are there, and the entry and label of each by its id, as ``compared`` takes them."""
    there = [(member, member.run) for member in every if member.run is not None]
    return [run.id for _, run in there], {run.id: (m.entry.name, m.entry.label.en) for m, run in there}


def _of_seed(study: Study, presets: Mapping[str, Recipe], seed: int, known: _Known) -> list[Member]:
    of_seed: dict[str, Member] = {}
    for entry in study.entries:
        waits = next((name for name in entry.needs if not of_seed[name].finished), "")
        if waits:
            of_seed[entry.name] = Member(entry, seed, None, waits_for=waits)
            continue
        runs = {name: run.id for name in entry.needs if (run := of_seed[name].run) is not None}
        recipe = member_recipe(study, entry, presets[entry.name], seed, runs)
        of_seed[entry.name] = Member(entry, seed, recipe, known.find(recipe))
    return list(of_seed.values())


class _Known:
    """The runs of a home by what they train."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_key: dict[str, list[Run]] = {}
        for run in store.runs():
            self._by_key.setdefault(_key_of(run.recipe, store.home), []).append(run)

    def find(self, recipe: Recipe) -> Run | None:
        """The run of the same recipe, start and data that is furthest; of several the newest."""
        runs = self._by_key.get(_key_of(recipe.model_dump(mode="json"), self._store.home), [])
        if not runs:
            return None
        data = load(recipe, self._store.home).content_hash
        same = [run for run in runs if (self._store.folder(run.id).recipe() or {}).get("dataset_hash") == data]
        return min(same, key=lambda run: BEST_FIRST.index(run.state), default=None)


def _key_of(values: Mapping[str, Any], home: Path) -> str:
    """What a recipe trains, as one text: its settings as today's lab reads them, and its models by content."""
    try:
        settings = parse(dict(values)).model_dump(mode="json")
    except LabError:  # of another version of the lab: no study can ask for it
        settings = dict(values)
    settings = {name: value for name, value in settings.items() if name not in NOT_TRAINED_BY}
    for name in ("model", "reward_model"):
        settings[name] = _model_key(str(settings.get(name) or ""), home)
    return json.dumps(settings, sort_keys=True)


def _model_key(model: str, home: Path) -> str:
    """A model by the content of its base and its adapter; by its name where it is not here, or has none."""
    try:
        place = resolve(model, home)
    except (LabError, OSError, ValueError):
        return model
    return " ".join(_hash(folder, _stamp(folder)) for folder in (place.base, place.adapter) if folder)


@lru_cache(maxsize=512)
def _hash(folder: str, _stamp: tuple[tuple[str, int, int], ...]) -> str:
    return content_hash(folder)


def _stamp(folder: str) -> tuple[tuple[str, int, int], ...]:
    """The files that a model's hash is made of, by size and time, so that it is made once."""
    files = sorted([*Path(folder).glob("*.safetensors"), *Path(folder).glob("*token*.json")])
    return tuple((file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files)


def _unfit(key: str, study: Study, entry: Entry, value: str, algorithm: str) -> RecipeError:
    return RecipeError(key, study=study.name, entry=entry.name, value=value, algorithm=algorithm)
