"""Detects a run that has diverged, and removes the checkpoints that hold bad weights. Ending the run is ``worker/main.py``'s.

Signs: a loss or a gradient, the policy's or the critic's, that is no finite number; a cross-entropy far above guessing, a KL above the
recipe's ``max_kl`` or a log-ratio above its ``max_log_ratio``, several steps in a row; scores of the next token that are not finite.
Not here: whether a finite run learns anything.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.core.algorithms import Divergence as Sign
from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.store.run_folder import RunFolder

if TYPE_CHECKING:
    import torch

IN_A_ROW = 3
"""Steps, or rollouts, that must be beyond a limit one after the other: single peaks are normal."""

GUESSES = 2.0
"""A cross-entropy of this many times log(vocabulary), which is what guessing costs, is no learning."""

LOSSES = ("loss", "value_loss")
NORMS = ("grad_norm", "critic_grad_norm")


class BlownUp(Exception):
    """Raised where a run has blown up. The weights after step ``bad_from`` (None: after the last step taken) are the first bad ones."""

    def __init__(self, why: str, bad_from: int | None = None) -> None:
        super().__init__(why, bad_from)
        self.why, self.bad_from = why, bad_from


class Divergence:
    """Checks each step's metrics. While ``suspected``, older checkpoints must be kept."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.patience = IN_A_ROW * recipe.updates_per_rollout  # a rollout's KL is logged at each of its updates
        self._beyond: dict[str, list[int]] = {"loss": [], "kl": [], "log_ratio": []}

    @property
    def suspected(self) -> bool:
        """Whether the last step was beyond a limit."""
        return any(self._beyond.values())

    def look(
        self, step: int, values: Mapping[str, Any], vocabulary: int | None = None, *, skips_infinite: bool = False
    ) -> None:
        """Raise BlownUp where this step's values, or those of the last few steps, leave no doubt.

        A step's loss comes from the weights before its update, so a bad loss means that those were bad already. ``skips_infinite``:
        steps with an infinite gradient are left out, as fp16's scaler does.
        """
        for names, bad_from in ((LOSSES, step - 1), ((), step) if skips_infinite else (NORMS, step)):
            for name in names:
                if (value := values.get(name)) is not None and not math.isfinite(value):
                    raise BlownUp(f"{name} = {value}", bad_from)
        sign = algorithm_of(self.recipe).divergence
        if vocabulary and sign is Sign.CROSS_ENTROPY:
            self._limit("loss", step, values.get("loss"), round(GUESSES * math.log(vocabulary), 2))
        if limit := self.recipe.kl_limit:
            self._limit("kl", step, values.get("kl"), limit)
        if sign is Sign.LOG_RATIO and (limit := self.recipe.max_log_ratio):  # type: ignore[attr-defined]
            self._limit("log_ratio", step, log_ratio(values, self.recipe.beta), limit)  # type: ignore[attr-defined]

    def _limit(self, name: str, step: int, value: float | None, limit: float) -> None:
        if value is None:
            return
        if value <= limit:
            self._beyond[name] = []
            return
        self._beyond[name].append(step)
        if len(self._beyond[name]) >= self.patience or not math.isfinite(value):
            raise BlownUp(f"{name} = {value:.4g} > {limit:g}", self._beyond[name][0] - 1)


def log_ratio(values: Mapping[str, Any], beta: float) -> float | None:
    """|log π − log π_ref| of a step's chosen responses, in nats a token, from DPO's logged reward β (log π − log π_ref)."""
    reward, tokens = values.get("reward_chosen"), values.get("chosen_tokens")
    return None if reward is None or not tokens else abs(float(reward)) / beta / float(tokens)


@contextmanager
def finite_scores(model: Any) -> Iterator[None]:
    """Raise BlownUp where the model, within the block, gives a next token's score that is no number.

    Sampling would end there with an error of torch's that names neither the cause nor the mend.
    """

    def look(_module: Any, _inputs: Any, scores: torch.Tensor) -> None:
        if not bool(scores[:, -1].amax(-1).isfinite().all()):
            raise BlownUp("logits = nan")

    handle = model.get_output_embeddings().register_forward_hook(look)
    try:
        yield
    finally:
        handle.remove()


def ended(blown_up: BlownUp, recipe: Recipe, folder: RunFolder, step: int) -> LabError:
    """Delete the checkpoints and the model that hold bad weights; returns the error of a run that diverged at ``step``."""
    bad_from = step if blown_up.bad_from is None else blown_up.bad_from
    for path in (folder.path / "checkpoints").glob("step-*"):
        if int(path.name.removeprefix("step-")) >= bad_from:
            (path / "complete").unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder.model_path, ignore_errors=True)
    known = {"step": step, "why": blown_up.why, "learning_rate": f"{recipe.learning_rate:g}"}
    if (good := folder.last_checkpoint()) is None:
        return LabError("blown_up_early", **known)
    return LabError("blown_up", **known, checkpoint=good[0])
