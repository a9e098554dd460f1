"""Which problems a run is measured on: the held-out ones, or the validation split that settings are chosen by. Nothing of training."""

from __future__ import annotations

from dataclasses import replace

from lab.core.recipes import MeasuredOn, Recipe
from lab.data.datasets import Dataset
from lab.tasks import equations


def on_chosen_split(recipe: Recipe, dataset: Dataset) -> Dataset:
    """The data with the rows to measure on that the recipe's ``measure_on`` names; those to train on stay as they are.

    Only the lab's own equations have a validation split, which the recipe has checked.
    """
    if recipe.measure_on is MeasuredOn.HELD_OUT:
        return dataset
    split = equations.Split.VALIDATION
    pairs = equations.preferences(split, 0, len(dataset.held_out_pairs)) if dataset.held_out_pairs else []
    return replace(dataset, held_out=equations.prompts(split, seed=0), held_out_pairs=tuple(pairs))
