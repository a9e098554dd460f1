"""The importance correction that GRPO and PPO share: completions that an engine wrote train the policy as if it had written them itself.

An engine computes log π a little differently from the trainer (another number format, kernels, an adapter rounded to the base's format),
so that what it draws comes from another distribution, π_sampler. The gain of each token is weighed by w = π_old / π_sampler::

    L = − mean_t  w · min(ρ_t A, clip(ρ_t, 1 − ε_low, 1 + ε_high) A)  (+ GRPO's β·KL, which is not weighed)

This is trl's ``vllm_importance_sampling_correction`` (1.16), by its modes and its default cap of 3. Departures from it:

1. π_old is the first update's own forward pass in GRPO, and the rollout's in PPO; trl makes one more pass.
2. There is no lower bound of w; trl's is off by default.
3. It holds for whatever sampler states its log-probabilities. Where none does, the policy wrote them itself and nothing is weighed.

Not here: the weights' formula (``losses.py``), and who samples (``lab/training/trainers/sampler.py``).
"""

from __future__ import annotations

from typing import Any

import torch

from lab.core.recipes import ImportanceCorrection
from lab.training.algorithms import losses
from lab.training.trainers.step_trainer import Batch


def corrected(trainer: Any, batch: Batch, gain: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The gain of a micro-batch (B, T), weighed, and what the journal keeps of each token: its weight and the sampler's log π.

    ``batch`` holds ``old_per_token_logps`` and, where a sampler stated them, ``sampler_logps``; else the gain is returned as it is.
    """
    if (sampler := batch.get("sampler_logps")) is None:
        return gain, {}
    mask, recipe, metrics = batch["completion_mask"], trainer.recipe, trainer.metrics
    log_ratio = losses.sampler_log_ratio(batch["old_per_token_logps"], sampler, mask)
    metrics.mean("sampler_gap", log_ratio.abs(), mask)
    metrics.most("sampler_gap_max", log_ratio.abs(), mask)
    if recipe.importance_correction is ImportanceCorrection.OFF:
        return gain, {"sampler_logps": sampler}
    weights = losses.importance_weights(log_ratio, recipe.importance_correction, recipe.importance_cap)
    of_each = mask[:, : weights.size(1)]  # a completion's one weight counts once
    metrics.mean("importance_weight", weights, of_each)
    metrics.least("importance_weight_min", weights, of_each)
    metrics.most("importance_weight_max", weights, of_each)
    return gain * weights, {"sampler_logps": sampler, "importance_weights": weights}
