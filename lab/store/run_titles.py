"""What a run is called wherever runs stand side by side: its name, and what tells it apart from others of that name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from lab.core.run_titles import Named, distinctions
from lab.errors import LabError
from lab.store.presets import load_preset, preset_names
from lab.store.runs import Store


def run_titles(store: Store) -> dict[str, str]:
    """Every run's title by its id; no two are alike."""
    runs = store.runs()
    told = distinctions([Named(run.id, run.name, run.recipe, run.created) for run in runs], _presets())
    return {run.id: f"{run.name} · {told[run.id]}" if told[run.id] else run.name for run in runs}


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
