"""From plain values to a validated recipe, and from pydantic's findings to one sentence's key and parameters."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import ValidationError

from lab.core.recipes.common import Recipe
from lab.core.recipes.fields import dotted, first_problem
from lab.core.recipes.grpo import GrpoRecipe
from lab.core.recipes.pairs import DpoRecipe, RmRecipe
from lab.core.recipes.ppo import PpoRecipe
from lab.core.recipes.pretrain import PretrainRecipe
from lab.core.recipes.sft import SftRecipe
from lab.errors import RecipeError

RECIPES: dict[str, type[Recipe]] = {
    "pretrain": PretrainRecipe,
    "sft": SftRecipe,
    "rm": RmRecipe,
    "ppo": PpoRecipe,
    "dpo": DpoRecipe,
    "grpo": GrpoRecipe,
}
"""One line an algorithm registers it."""


def parse(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """A validated recipe from plain values; RecipeError (one sentence, the first thing wrong) where they do not fit.

    ``source`` names the file or form in the sentence.
    """
    algorithm = values.get("algorithm")
    if algorithm not in RECIPES:
        raise RecipeError("recipe_algorithm", source=source, value=str(algorithm), known=", ".join(RECIPES))
    try:
        return RECIPES[algorithm].model_validate(values)
    except ValidationError as error:
        model, problem = RECIPES[algorithm], error.errors()[0]
        raise first_problem(
            problem, "recipe", source, lambda place: _unknown_key(dotted(place), model, source)
        ) from None


def with_values(recipe: Recipe, changes: dict[str, Any], source: str = "recipe") -> Recipe:
    """The recipe with some fields changed, validated anew; keys may be dotted (``threshold.kind``)."""
    values = recipe.model_dump(mode="json")
    for key, value in changes.items():
        *path, last = key.split(".")
        place = values
        for part in path:
            if not isinstance(place.get(part), dict):
                raise _unknown_key(key, type(recipe), source)
            place = place[part]
        place[last] = value
    return parse(values, source)


def _unknown_key(key: str, model: type[Recipe], source: str) -> RecipeError:
    known = sorted(model.model_fields)
    near = difflib.get_close_matches(key.split(".")[-1], known, n=1, cutoff=0.5)
    return RecipeError("recipe_unknown_key", source=source, field=key, nearest=near[0] if near else ", ".join(known))
