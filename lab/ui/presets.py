"""The presets as the page offers them: those of ``presets/`` that validate, their titles in both languages.

They are shown model by model. Read once, at the start. A preset that does not validate is left out and its error kept, to be said where presets are
chosen: one broken file does not take the others along.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.store.catalogue import TINY, known_entry
from lab.store.presets import Preset, load_preset, preset_names
from lab.words import form, say, table


class Presets:
    """Presets by name, in the order of the course."""

    def __init__(self, folder: Path) -> None:
        self.by_name: dict[str, Preset] = {}
        self.errors: list[LabError] = []
        for name in preset_names(folder):
            try:
                self.by_name[name] = load_preset(name, folder)
            except LabError as error:
                self.errors.append(error)

    @property
    def names(self) -> list[str]:
        return list(self.by_name)

    @property
    def models(self) -> list[str]:
        """The models that there are presets for, the smallest first; those that the lab does not know last."""
        return sorted(dict.fromkeys(map(model_of, self.names)), key=_parameters)

    def of_model(self, model: str) -> list[str]:
        """The presets for a model."""
        return [name for name in self.names if model_of(name) == model]

    def alike(self, name: str, model: str) -> str:
        """The preset for a model that does what ``name`` does for its own: of the same file name, else algorithm, else the first."""
        own = self.of_model(model)
        same = [other for other in own if other.rpartition("/")[2] == name.rpartition("/")[2]]
        if not same and name in self.by_name:
            same = [other for other in own if self.recipe(other).algorithm == self.recipe(name).algorithm]
        return (same or own)[0]

    def choices(self, model: str, locale: str) -> list[tuple[str, str]]:
        """``(title, name)`` of a model's presets; the model is named beside them."""
        return [(title(name, self.recipe(name), locale, with_model=False), name) for name in self.of_model(model)]

    def recipe(self, name: str) -> Recipe:
        """The recipe of a preset."""
        return self.by_name[name].recipe

    def nearest(self, recipe: Recipe) -> tuple[str, dict[str, Any]] | None:
        """The preset of the same algorithm that differs least from a recipe, and what differs from it."""
        wanted = form.entered(recipe)
        found = []
        for name, preset in self.by_name.items():
            if preset.recipe.algorithm == recipe.algorithm:
                edits = form.changes(preset.recipe, wanted)
                found.append((len(edits), name, edits))
        return min(found, key=lambda each: each[0])[1:] if found else None


def usual(names: Sequence[str]) -> str:
    """The preset that stands there before anybody has chosen: the first of GRPO, else the first; empty where there is none."""
    return next((name for name in names if name.endswith("/grpo")), names[0] if names else "")


def model_of(name: str) -> str:
    """The model that a preset is for: its folder."""
    return name.rpartition("/")[0]


def title(name: str, recipe: Recipe, locale: str, *, with_model: bool = True) -> str:
    """``tiny/grpo`` reads *GRPO*, ``tiny/pretrain-base`` reads *Pretrain · base*; other models name themselves."""
    model, _, stem = name.rpartition("/")
    label = say(f"algorithm.{recipe.algorithm}", locale)
    variant = stem.removeprefix(recipe.algorithm).strip("-_")
    known = f"preset_variant.{variant}"
    variant = say(known, locale) if known in table(locale) else variant.replace("-", " ")
    named = model if with_model and model != "tiny" else ""
    return " · ".join(part for part in (named, label, variant) if part)


def _parameters(model: str) -> float:
    entry = TINY if model == TINY.name else known_entry(model)
    return entry.parameters if entry else math.inf


def model_label(model: str, locale: str) -> str:
    """A model as the page calls it: *Tiny*, *SmolLM2-135M*."""
    if model == TINY.name:
        return say("train.model_tiny", locale)
    entry = known_entry(model)
    return entry.hub.rpartition("/")[2].removesuffix("-Instruct") if entry else model


def model_about(model: str, locale: str) -> str:
    """A sentence on what a model takes; empty for one that the lab does not know."""
    key = f"preset_models.{model}"
    return say(key, locale) if key in table(locale) else ""
