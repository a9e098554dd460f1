"""How many models each algorithm holds."""

from __future__ import annotations

import pytest

from lab.core.recipes import DpoRecipe, GrpoRecipe, PpoRecipe, Recipe, RmRecipe, SftRecipe, Training

FULL, LORA = Training.FULL, Training.LORA


@pytest.mark.parametrize(
    ("recipe", "held", "loaded"),
    [
        (SftRecipe(training=FULL), ("policy",), 1),
        (RmRecipe(), ("reward",), 1),
        (DpoRecipe(training=LORA), ("policy", "reference"), 1),
        (DpoRecipe(training=FULL), ("policy", "reference"), 2),
        (GrpoRecipe(training=FULL), ("policy",), 1),
        (GrpoRecipe(training=FULL, beta=0.1), ("policy", "reference"), 2),
        (GrpoRecipe(beta=0.1), ("policy", "reference"), 1),
        (PpoRecipe(), ("policy", "reference", "value"), 1),
        (PpoRecipe(reward_model="run:x"), ("policy", "reference", "reward", "value"), 1),
    ],
)
def test_models_in_memory(recipe: Recipe, held: tuple[str, ...], loaded: int) -> None:
    assert recipe.roles == held
    assert recipe.bases_in_memory == loaded
