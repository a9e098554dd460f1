"""The presets as the page offers them: those of ``presets/`` that validate, their titles in both languages, and the two rows that
choose one: the model first, then what to do with it.

Read once, at the start. A preset that does not validate is left out and its error kept, to be said where presets are
chosen: one broken file does not take the others along.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.store.catalogue import TINY, known_entry
from lab.store.presets import Preset, load_preset, preset_names
from lab.ui.handlers import LIGHT, Updates
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

    def of_algorithm(self, algorithm: str) -> list[str]:
        """The presets for an algorithm."""
        return [name for name in self.names if self.recipe(name).algorithm == algorithm]

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
            same = [other for other in self.of_algorithm(self.recipe(name).algorithm) if other in own]
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
        edits = {name: form.changes(self.recipe(name), wanted) for name in self.of_algorithm(recipe.algorithm)}
        return min(edits.items(), key=lambda each: len(each[1])) if edits else None


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


class PresetChooser:
    """Draws both rows where it is made."""

    def __init__(self, presets: Presets, i18n: gr.I18n) -> None:
        self._presets = presets
        # Every choice there is, so that a page that was open before a restart of the lab may still send it; the first
        # update narrows them to one language and one model, and shows them.
        models = [(model, model) for model in presets.models]
        names = [(name, name) for name in presets.names]
        cards: dict[str, Any] = {"elem_classes": "cards", "visible": False}
        self.model = gr.Radio(models, label=i18n("train.preset_model"), elem_id="preset-model", **cards)
        self.preset = gr.Radio(names, label=i18n("train.preset"), elem_id="preset", **cards)

    @property
    def everything(self) -> list[Any]:
        return [self.model, self.preset]

    def wire(self) -> None:
        """A click is noted in the browser at once, which then asks with the draft."""
        self.preset.input(None, [self.preset], js="(preset) => void window.labDraft.choosePreset(preset)", **LIGHT)
        self.model.input(None, [self.model], js="(model) => void window.labDraft.chooseModel(model)", **LIGHT)

    def shown(self, preset: str, language: str) -> Updates:
        """Updates for ``everything``."""
        chosen = model_of(preset)
        models = [(model_label(model, language), model) for model in self._presets.models]
        about, offered = model_about(chosen, language), self._presets.choices(chosen, language)
        return {
            self.model: gr.update(choices=models, value=chosen, info=about, visible=len(models) > 1),
            self.preset: gr.update(choices=offered, value=preset, visible=True),
        }
