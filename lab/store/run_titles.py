"""What a run is called wherever runs stand side by side: its name, and what tells it apart from others of that name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from lab.core.run_titles import Named, distinctions
from lab.errors import LabError
from lab.store.presets import load_preset, preset_names
from lab.store.runs import Run, Store
from lab.words import say

BUT_FOR_SEEDS = frozenset({"seed", "about_en", "about_zh"})


def run_titles(store: Store, language: str) -> dict[str, str]:
    """Every run's title by its id, in the reader's language; no two are alike."""
    runs = store.runs()
    named = [Named(run.id, run.name, run.recipe, run.created) for run in runs]
    told = distinctions(named, _presets(), say("run_title.seed", language))
    return {run.id: f"{run.name} · {told[run.id]}" if told[run.id] else run.name for run in runs}


def titles_but_for_seeds(runs: Sequence[Run]) -> dict[str, str]:
    """Titles of some runs that are shown together, by id: runs that differ in their seed alone have one title."""
    first: dict[str, Named] = {}
    alike: dict[str, str] = {}
    for run in runs:
        values = {name: value for name, value in run.recipe.items() if name not in BUT_FOR_SEEDS}
        key = json.dumps([run.name, values], sort_keys=True)
        kept = first.setdefault(key, Named(run.id, run.name, {**run.recipe, "seed": 0}, run.created))
        alike[run.id] = kept.id
    told = distinctions(list(first.values()), _presets())
    names = {named.id: f"{named.name} · {told[named.id]}" if told[named.id] else named.name for named in first.values()}
    return {run: names[kept] for run, kept in alike.items()}


@cache
def _presets() -> Mapping[str, Mapping[str, Any]]:
    """The presets' plain recipes, by the name that their runs get."""
    recipes: dict[str, Mapping[str, Any]] = {}
    for name in preset_names():
        try:
            recipe = load_preset(name).recipe
        except LabError:
            continue  # a broken preset is said where presets are chosen
        recipes.setdefault(recipe.name or recipe.algorithm, recipe.model_dump(mode="json"))
    return recipes
