"""How a DPO policy does on preferences that are held out. Not here: the loss (``algorithms/dpo.py``)."""

from __future__ import annotations

from typing import Any

from lab.core.recipes import DpoRecipe
from lab.training.measure.agreement import Agreement, share_won
from lab.training.models.base import Loaded
from lab.training.task import Task

MOST_HELD_OUT = 256
"""Pairs that are measured on at most."""
SCORES_AT_ONCE = 1 << 26
"""Scores of next tokens that measuring holds at once: 256 MB."""


class HeldOutPairs(Agreement):
    """Held-out pairs by the reward that the policy stands for, r = β (log π − log π_start); before the first step all are ties."""

    def __init__(self, task: Task, loaded: Loaded) -> None:
        recipe: DpoRecipe = task.recipe
        self._beta = recipe.beta
        super().__init__(
            loaded.model,
            loaded.tokens,
            task.dataset.held_out_pairs[: min(MOST_HELD_OUT, recipe.measure_samples)],
            rows=2 * recipe.rows_per_pass,
            scored_at_once=max(1, SCORES_AT_ONCE // loaded.model.config.get_text_config().vocab_size),
            name=recipe.dataset,
            said="measuring on {} held-out pairs",
        )

    def of(self, policy: Any) -> dict[str, Any]:
        """``{"pair_accuracy", "margin", "pairs"}`` of the policy as it is now; a tie is half right."""
        margins = self._beta * self.margins(policy)
        return {"pair_accuracy": share_won(margins), "margin": float(margins.mean()), "pairs": len(margins)}
