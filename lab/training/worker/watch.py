"""The callback that every trainer carries: metrics out, stop requests in, checkpoints that are whole or not there.

Not here: what a metric means (docs/algorithms.md), or how a run ends (``worker/main.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe
from lab.training.worker import team
from lab.training.worker.divergence import Divergence
from lab.training.worker.reporter import Reporter
from lab.training.worker.step_progress import StepProgress

KEPT_CHECKPOINTS = 2

NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "completions/mean_length": "completion_tokens",
    "completions/clipped_ratio": "truncated_share",
}
"""What transformers and trl log, by its name here; the algorithms' own metrics come from ``StepMetrics``."""


class Watch(TrainerCallback):
    """Between a trainer and the run's folder. ``measure`` is called with the step where one is due."""

    def __init__(self, reporter: Reporter, recipe: Recipe, measure: Callable[[int], None] | None = None) -> None:
        self.reporter, self.recipe, self.measure = reporter, recipe, measure
        self.more: Callable[[], dict[str, Any]] = dict
        """Asked for the step's own metrics at each line (``step_trainer.py``)."""
        self.stopped = False
        self.spent: tuple[str, float] | None = None
        """The limit of the recipe that ended the run before its last step, and its value."""
        self.divergence = Divergence(recipe)
        self.reporter.step_progress = StepProgress(recipe.updates_per_rollout)
        self._generates = algorithm_of(recipe).writes_groups
        self._micro_batches = self._tokens = 0
        self._listening: Any = None

    # ---- how far a step is

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        """Listen to the head that writes next tokens, where the run samples."""
        head = model.get_output_embeddings() if self._generates and model is not None else None
        if head is not None:
            self._listening = head.register_forward_hook(self._heard)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._listening is not None:
            self._listening.remove()

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._micro_batches = self._tokens = 0
        self.reporter.step_progress.begin(generates=self._generates)

    def on_substep_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._micro_batch(args)

    def _micro_batch(self, args: TrainingArguments) -> None:
        self._micro_batches += 1
        self.reporter.step_progress.micro_batch(self._micro_batches, max(1, args.gradient_accumulation_steps))

    def _heard(self, _module: Any, _inputs: Any, scores: Any) -> None:
        """A pass of the head: while completions are written it gives one place a row, else all places."""
        progress = self.reporter.step_progress
        if not torch.is_grad_enabled() and scores.shape[1] == 1:
            self._tokens += 1
            progress.token(self._tokens, int(self.recipe.max_completion_length))  # type: ignore[attr-defined]
        elif self._tokens and not self._micro_batches:
            progress.generated()

    # ---- what a step came to

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._micro_batch(args)
        self.reporter.step_progress.end()
        self.reporter.step = state.global_step
        if state.global_step < self.recipe.steps and team.of_leader(self.reporter.folder.stop_requested()):
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def _limit_reached(self) -> tuple[str, float] | None:
        spent = self.reporter.spent()
        limits = self.recipe.spending_limits.items()
        return next(((name, limit) for name, limit in limits if spent[name] >= limit), None)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **more: Any
    ) -> None:
        """Write a step's metrics. Raises BlownUp, before anything of that step is saved."""
        if not logs or "train_runtime" in logs:
            return
        values = {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs}
        values |= self.more()
        self.reporter.metrics(state.global_step, values)
        self.divergence.look(state.global_step, values, _vocabulary(more.get("model")), skips_infinite=bool(args.fp16))
        if state.global_step < self.recipe.steps and (limit := team.of_leader(self._limit_reached())) is not None:
            self.spent = limit
            control.should_training_stop = True
            return  # what is measured next is the end
        every = self.recipe.measure_every
        if self.measure and every and state.global_step % every == 0 and state.global_step < self.recipe.steps:
            self.measure(state.global_step)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Rename the finished folder and mark it complete: a kill in between leaves nothing that looks like a checkpoint."""
        written = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if not written.is_dir() or not team.is_leader():
            return
        target = self.reporter.folder.checkpoint_path(state.global_step)
        shutil.rmtree(target, ignore_errors=True)
        written.rename(target)
        (target / "complete").touch()
        self._forget_old()

    def _forget_old(self) -> None:
        if self.divergence.suspected:
            return  # the older ones may be the last good ones
        folder = self.reporter.folder
        for path in map(folder.checkpoint_path, folder.kept_steps()[:-KEPT_CHECKPOINTS]):
            (path / "complete").unlink()
            shutil.rmtree(path, ignore_errors=True)


def _vocabulary(model: Any) -> int | None:
    """How many tokens a model chooses from."""
    config = getattr(model, "config", None)
    return getattr(config.get_text_config(), "vocab_size", None) if config is not None else None
