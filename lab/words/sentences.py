"""Whole sentences made on the server: what a recipe will do, and what was wrong.

The text tables hold the words; this module fills them. Labels that never change are ``gr.I18n``'s (``lab/ui/page.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from lab.core.recipes import (
    RECIPES,
    AdaptedRecipe,
    GrpoRecipe,
    PpoRecipe,
    PretrainRecipe,
    Recipe,
    SampledRecipe,
    SftRecipe,
    Training,
)
from lab.core.recipes.pairs import PairsRecipe
from lab.errors import LabError
from lab.rules import RULES
from lab.words import say, table, word
from lab.words.form import FormField, fields

THOUSANDS = 10_000  # from here on figures are grouped; below, a space in them only disturbs


def language_of(request: Any) -> str:
    """The page's language, as the browser asks for it: Gradio picks its own by the same list."""
    header = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "zh" if header.strip().lower().startswith("zh") else "en"


def plan(recipe: Recipe, language: str, runs: Mapping[str, str] | None = None) -> str:
    """One sentence: stages, models in memory, data, steps, samples a step. ``runs`` names the runs to start from, by id."""
    common = {
        "model": model_name(recipe.model, language, runs or {}),
        "data": data_name(recipe.dataset, language),
        "steps": _count(recipe.steps),
        "measured": _measured(recipe, language),
    }
    key = f"plan.{recipe.algorithm}"
    return say(
        key if key in table("en") else "plan.other",
        language,
        algorithm=recipe.algorithm,
        **common,
        **_details(recipe, language),
    )


def model_name(model: str, language: str, runs: Mapping[str, str]) -> str:
    """How a start is called in a sentence."""
    if model == "tiny":
        return say("plan.model_tiny", language)
    name = runs.get(model.removeprefix("run:")) if model.startswith("run:") else None
    return say("plan.model_run", language, name=name) if name else model


def data_name(dataset: str, language: str) -> str:
    """How data are called in a sentence."""
    return say("plan.data_equations", language) if dataset == "equations" else dataset


def problem(error: LabError, language: str) -> str:
    """An error as one sentence that calls a field by the name it has in the form, and its bounds by their figures."""
    params = dict(error.params)
    field = _field(str(params.get("field", "")))
    if field is not None:
        params["field"] = say("form.field", language, label=field.words["label"][language], path=field.path)
        if error.key == "recipe_value":
            params["why"] = bounds(field, language) or params.get("why")
            if params.get("value") == repr(None):
                params["value"] = say("form.empty", language)
    return word({"key": error.key, "params": params}, language)


def bounds(field: FormField, language: str) -> str | None:
    """What a figure may be, in words; None for a field without bounds."""
    if field.kind not in (int, float):
        return None
    low, high = field.bound("ge", "gt"), field.bound("le", "lt")
    if low is None or high is None:
        return None
    kind = "whole" if field.kind is int else "number"
    above = "above" if field.bound("ge") is None else "from"
    return say(f"form.{kind}_{above}", language, low=f"{low:g}", high=_count(high))


@singledispatch
def _details(recipe: Recipe, language: str) -> dict[str, Any]:
    """What the sentence of a kind of recipe names besides the model, the data, the steps and the measurements."""
    return {}


@_details.register
def _(recipe: PretrainRecipe, language: str) -> dict[str, Any]:
    return {"layers": recipe.layers, "width": recipe.hidden_size, "batch": _count(recipe.batch_size)}


@_details.register
def _(recipe: SftRecipe | PairsRecipe, language: str) -> dict[str, Any]:
    return {
        "what": _what(recipe, language),
        "batch": _count(recipe.batch_size),
        "memory": say(f"plan.{_memory(recipe)}", language),
        "held_pairs": say("plan.held_pairs", language),
    }


@_details.register
def _(recipe: PpoRecipe, language: str) -> dict[str, Any]:
    source = "both" if recipe.reward_model and recipe.rules_weight else "model" if recipe.reward_model else "rules"
    return {
        "what": _what(recipe, language),
        "batch": _count(recipe.batch_size),
        "iterations": recipe.iterations,
        "rewards": say(f"plan.rewards_{source}", language, rules=_rules(recipe, language)),
        "stages": say("plan.stages_reward_model", language) if recipe.reward_model else "",
    }


@_details.register
def _(recipe: GrpoRecipe, language: str) -> dict[str, Any]:
    kept = math.ceil(recipe.threshold.fraction * recipe.group_size - 1e-9)
    return {
        "what": _what(recipe, language),
        "prompts": _count(recipe.batch_size // recipe.group_size),
        "size": recipe.group_size,
        "rules": _rules(recipe, language),
        "kept": say(f"plan.keep_{recipe.threshold.kind}", language, kept=kept, size=recipe.group_size),
        "memory": say(f"plan.{_memory(recipe)}", language),
    }


def _rules(recipe: SampledRecipe, language: str) -> str:
    label = "label_zh" if language == "zh" else "label_en"
    names = [getattr(RULES[use.name], label) if use.name in RULES else use.name for use in recipe.rules]
    return say("plan.list", language).join(names)


def _memory(recipe: Recipe) -> str:
    if "reference" not in recipe.roles:
        return "one_model_no_reference"
    return "one_model_reference_is_base" if recipe.bases_in_memory == 1 else "two_models"


def _what(recipe: AdaptedRecipe, language: str) -> str:
    if recipe.training is Training.FULL:
        return say("plan.all_weights", language)
    return say("plan.qlora" if recipe.load_in_4bit else "plan.lora", language, rank=recipe.lora_rank)


def _measured(recipe: Recipe, language: str) -> str:
    if not recipe.measure_samples:
        return say("plan.not_measured", language)
    key = "measured_often" if recipe.measure_every else "measured"
    return say(f"plan.{key}", language, samples=_count(recipe.measure_samples), every=recipe.measure_every)


def _count(value: float) -> str:
    if value != int(value):
        return f"{value:g}"
    return f"{int(value):,}" if value >= THOUSANDS else str(int(value))


def _field(path: str) -> FormField | None:
    every = (field for name in RECIPES for field in fields(name))
    return next((field for field in every if field.path == path), None)
