"""What the log says before a run begins, where a person would think otherwise: what is not measured, and what a reward model stood on.

Refusals are not here: they are raised where they are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab.core.recipes import Recipe
from lab.data.datasets import ON_PAIRS, Dataset
from lab.errors import LabError
from lab.training.worker.score_job import recipe_of

FORMATS = {True: "in 4 bits", False: "in full precision"}


def notes(recipe: Recipe, dataset: Dataset, home: Path) -> Iterator[str]:
    """A line each."""
    if recipe.measure_samples and (why := _unmeasured(recipe, dataset)):
        yield f"nothing is measured before and after: {why}"
    if (reward_model := getattr(recipe, "reward_model", "")) and (note := _other_format(recipe, reward_model, home)):
        yield note


def _unmeasured(recipe: Recipe, dataset: Dataset) -> str:
    if dataset.held_out or dataset.held_out_pairs or dataset.watched:
        return ""
    if recipe.algorithm in ON_PAIRS:
        return "no pair that is held out can be used"
    return "no prompt that is held out has an answer that a rule can compare (a column `answer`, or what follows ####)"


def _other_format(recipe: Recipe, reward_model: str, home: Path) -> str:
    """Where a reward model was trained on the same base in another number format: its scores are not quite those that were measured."""
    here = bool(getattr(recipe, "load_in_4bit", False))
    try:
        there = recipe_of(reward_model, home).load_in_4bit
    except LabError:  # a model that was copied here without its recipe
        return ""
    if here == there:
        return ""
    return (
        f"the reward model {reward_model} was trained on its base {FORMATS[there]} and scores here on the same base "
        f"{FORMATS[here]}: its scores differ a little from those that were measured"
    )
