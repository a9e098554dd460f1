"""The callback that every trainer carries: metrics out, stop requests in, checkpoints that are whole or not there.

Not here: what a metric means (docs/algorithms.md), or how a run ends (``worker.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lab.core.recipes import Recipe
from lab.training.worker.divergence import Divergence
from lab.training.worker.reporter import Reporter

KEPT_CHECKPOINTS = 2

NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "mean_token_accuracy": "token_accuracy",
    "entropy": "entropy",
    "kl": "kl",
    "reward": "reward",
    "reward_std": "reward_std",
    "completions/mean_length": "completion_tokens",
    "completions/clipped_ratio": "truncated_share",
    "clip_ratio/region_mean": "clip_ratio",
    "accuracy": "accuracy",
    "margin": "margin",
    "mean_reward": "mean_reward",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
}
"""The trainers' names on the left, ours on the right; what is not listed is not written."""


class Watch(TrainerCallback):
    """Between a trainer and the run's folder. ``measure`` is called with the step where one is due."""

    def __init__(self, reporter: Reporter, recipe: Recipe, measure: Callable[[int], None] | None = None) -> None:
        self.reporter, self.recipe, self.measure = reporter, recipe, measure
        self.extra: dict[str, Any] = {}
        """Values that a trainer adds to the next line of metrics."""
        self.more: Callable[[], dict[str, Any]] = dict
        """Asked for further values at each line of metrics."""
        self.stopped = False
        self.divergence = Divergence(recipe)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.reporter.step = state.global_step
        if self.reporter.folder.stop_requested() and state.global_step < self.recipe.steps:
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **more: Any
    ) -> None:
        """Write a step's metrics. Raises BlownUp, before anything of that step is saved."""
        if not logs or "train_runtime" in logs:
            return
        if self.recipe.algorithm in ("rm", "dpo"):
            self.reporter.tokens_trained = int(logs.get("num_tokens", 0))
        values = {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs}
        values |= self.extra | self.more()
        self.extra = {}
        self.reporter.metrics(state.global_step, values)
        self.divergence.look(state.global_step, values, _vocabulary(more.get("model")), skips_infinite=bool(args.fp16))
        every = self.recipe.measure_every
        if self.measure and every and state.global_step % every == 0 and state.global_step < self.recipe.steps:
            self.measure(state.global_step)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Rename the finished folder and mark it complete: a kill in between leaves nothing that looks like a checkpoint."""
        written = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if not written.is_dir():
            return
        target = self.reporter.folder.checkpoint_path(state.global_step)
        shutil.rmtree(target, ignore_errors=True)
        written.rename(target)
        (target / "complete").touch()
        self._forget_old(target.parent)

    def _forget_old(self, checkpoints: Path) -> None:
        if self.divergence.suspected:
            return  # the older ones may be the last good ones
        whole = [path for path in checkpoints.glob("step-*") if (path / "complete").exists()]
        for path in sorted(whole, key=lambda path: int(path.name.removeprefix("step-")))[:-KEPT_CHECKPOINTS]:
            (path / "complete").unlink()
            shutil.rmtree(path, ignore_errors=True)


def _vocabulary(model: Any) -> int | None:
    """How many tokens a model chooses from."""
    config = getattr(model, "config", None)
    return getattr(config.get_text_config(), "vocab_size", None) if config is not None else None
