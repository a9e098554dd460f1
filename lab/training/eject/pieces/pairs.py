"""What the scripts that train on pairs share: a loss that is a mean over the pairs of the whole optimiser step.

trl takes a mean over each micro-batch and then the mean of those, which weighs a ragged last micro-batch too much.
"""

from __future__ import annotations

from typing import Any


class StepOfPairs:
    """Before a trainer of trl in a class's bases: ``pairs_in_step`` is how many pairs the step holds."""

    loss_is_scaled_for_ga = True
    pairs_in_step = 1

    def get_batch_samples(self, *given: Any) -> Any:
        batches, items = super().get_batch_samples(*given)  # type: ignore[misc]
        self.pairs_in_step = max(1, sum(len(batch["input_ids"]) // 2 for batch in batches))
        return batches, items
