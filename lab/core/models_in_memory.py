"""Which models a run holds in memory: how many bases, and the roles that stand on them (DESIGN 5.5). Bytes are ``budget.py``'s."""

from __future__ import annotations

from lab.core.recipes import DpoRecipe, GrpoRecipe, PpoRecipe, Recipe, Training


def roles(recipe: Recipe) -> tuple[str, ...]:
    """The roles of a run, the trained one first; what pretraining and SFT train is called the policy too."""
    if recipe.algorithm == "rm":
        return ("reward",)
    found = ["policy"]
    if isinstance(recipe, DpoRecipe | PpoRecipe) or (isinstance(recipe, GrpoRecipe) and recipe.beta > 0):
        found.append("reference")
    if isinstance(recipe, PpoRecipe):
        found += ["reward", "value"] if recipe.reward_model else ["value"]
    return tuple(found)


def bases(recipe: Recipe) -> int:
    """How many bases are loaded: one, and a second where all weights are trained and compared with their start."""
    full = getattr(recipe, "training", Training.LORA) is Training.FULL
    return 2 if full and "reference" in roles(recipe) else 1
