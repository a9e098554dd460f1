"""Estimates how long a run will take, from parts measured on this machine, and the error of that estimate. Pure arithmetic, in seconds.

Not here: how the parts are measured (``lab/training/measure/time_probe.py``).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe

FACTOR_MEASURED, FACTOR_SCALED = 1.5, 2.5
"""The true time lies within this factor either way: of steps that were measured whole, and of a part that was scaled up."""
MID_RUN_SAMPLES = 256
"""The most held-out samples that one measurement during training takes (``lab/training/task.py``)."""


class RunTime(BaseModel):
    """The measured parts of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loading: float
    step: float
    """One optimiser step, a mean over those with and without a rollout."""
    measuring: float = 0.0
    """One held-out measurement of all samples."""
    scaled: bool = False
    """Whether a smaller batch, or shorter completions, were measured and scaled up."""

    def total(self, recipe: Recipe) -> float:
        """Seconds from the start of the worker to its result."""
        whole = 2 if algorithm_of(recipe).starts_from_model else 1
        often = (recipe.steps - 1) // recipe.measure_every if recipe.measure_every else 0
        share = min(1.0, MID_RUN_SAMPLES / recipe.measure_samples) if recipe.measure_samples else 0.0
        return self.loading + recipe.steps * self.step + (whole + often * share) * self.measuring

    @property
    def factor(self) -> float:
        """The true time lies between ``total / factor`` and ``total * factor``, most likely."""
        return FACTOR_SCALED if self.scaled else FACTOR_MEASURED
