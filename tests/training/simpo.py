"""SimPO, a toy seventh algorithm for ``test_seventh_algorithm.py``: its recipe, and the sibling that trains it.

Loss (Meng et al., arXiv 2405.14734, eq. 6): ``L = −mean log σ(β/|y_c| · log π(y_c|x) − β/|y_r| · log π(y_r|x) − γ)``, for the chosen and
the rejected response of a pair. It has no reference.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from datasets import Dataset
from trl import DPOConfig

from lab.core.recipes.fields import Section, setting
from lab.core.recipes.pairs import PairsRecipe
from lab.training.algorithms import losses
from lab.training.algorithms.dpo import PreferenceTrainer
from lab.training.models.base import Loaded, load
from lab.training.task import Task
from lab.training.trainers.rows import compared_pair
from lab.training.trainers.step_trainer import Batch, LazyRows, log_probs, pairs_in


class SimpoRecipe(PairsRecipe):
    """SimPO on preferences."""

    algorithm: Literal["simpo"] = "simpo"
    target_margin: float = setting(
        0.5,
        Section.OPTIMISER,
        ("Target margin", "By how much the chosen response should win, in units of reward."),
        ("目标间隔", "希望选中的回答高出多少奖励。"),
        ge=0,
        le=10,
    )


BETA = 2.0


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def build_trainer(task: Task) -> PreferenceTrainer:
    """The trainer of a task."""
    recipe: SimpoRecipe = task.recipe
    size = recipe.rows_per_micro_batch
    slices = recipe.batch_size // size
    arguments = task.arguments(
        per_device_train_batch_size=size, gradient_accumulation_steps=slices, remove_unused_columns=False
    )
    rows = LazyRows(task.dataset.train, lambda row: compared_pair(task.tokens, row, recipe))
    return PreferenceTrainer(
        recipe=recipe,
        loss=loss,
        size_of=pairs_in,
        rows=rows,
        model=task.model,
        args=DPOConfig(**arguments, max_length=recipe.max_length),
        train_dataset=Dataset.from_list([rows[0]]),
        processing_class=task.tokenizer,
    )


def loss(trainer: PreferenceTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step, the part of one micro-batch, whose first half are chosen and whose second half rejected."""
    mask = batch["completion_mask"]
    written = mask[:, 1:]
    logps = log_probs(model, batch, mask).log_probs.sum(1)
    chosen, rejected = (BETA * logps / written.sum(1)).chunk(2)
    trainer.metrics.mean("margin", chosen - rejected)
    trainer.metrics.mean("accuracy", chosen > rejected)
    trainer.metrics.train_on(batch["attention_mask"])
    pair_losses = losses.bradley_terry(chosen, rejected + trainer.recipe.target_margin)
    return pair_losses.sum() / trainer.step_size(batch)


def train(task: Task) -> None:
    """Train the model in place."""
    task.run(build_trainer(task))
