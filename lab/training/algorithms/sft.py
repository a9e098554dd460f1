"""Supervised fine-tuning on prompt/completion rows.

Loss: the completion-only cross-entropy, −mean log π(y_t | x, y_<t) over completion tokens; the prompt is masked.

Departures from trl's SFTTrainer:

1. Rows are tokenised when a batch asks for them, not all of them before the first step.
2. Entropy and token accuracy are means over the step's tokens, not means of its micro-batches' means.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from lab.core.recipes import SftRecipe
from lab.training.algorithms import losses
from lab.training.models.base import Loaded, load
from lab.training.task import Task
from lab.training.trainers.rows import demonstration
from lab.training.trainers.step_trainer import Batch, LazyRows, StepTrainer, log_probs


class DemonstrationTrainer(StepTrainer, SFTTrainer):
    """trl's loop with the loss below."""


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def build_trainer(task: Task) -> DemonstrationTrainer:
    """The trainer of a task."""
    recipe: SftRecipe = task.recipe
    size = recipe.rows_per_micro_batch
    arguments = SFTConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=None,  # the rows are cut already
            remove_unused_columns=False,
        )
    )
    rows = LazyRows(task.dataset.train, lambda row: demonstration(task.tokens, row, recipe))
    return DemonstrationTrainer(
        recipe=recipe,
        loss=loss,
        size_of=lambda batch: int(is_trained(batch).sum()),
        rows=rows,
        model=task.model,
        args=arguments,
        train_dataset=Dataset.from_list([rows[0]]),
        processing_class=task.tokenizer,
    )


def loss(trainer: DemonstrationTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step, the part of one micro-batch: a mean over the *step's* completion tokens."""
    mask = is_trained(batch)
    output = log_probs(model, batch, mask)
    shifted = mask[:, 1:]
    trainer.metrics.mean("token_accuracy", output.is_top1, shifted)
    trainer.metrics.mean("entropy", output.entropy, shifted)
    trainer.metrics.train_on(mask)
    return losses.cross_entropy(output.log_probs, shifted, tokens=trainer.step_size(batch))


def train(task: Task) -> None:
    """Train the model in place."""
    task.run(build_trainer(task))


def is_trained(batch: Batch) -> torch.Tensor:
    """1 on the tokens that are trained, shape (B, T); the first of a row is never predicted."""
    mask: torch.Tensor = (batch["labels"] != losses.IGNORED).long()
    mask[:, 0] = 0
    return mask
