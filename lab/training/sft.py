"""Supervised fine-tuning on prompt/completion rows.

Loss: −mean log π(y_t | x, y_<t) over completion tokens only; the prompt is masked. Trainer: trl's SFTTrainer.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from lab.core.recipes import SftRecipe, micro_batch
from lab.training.models.base import Loaded, load
from lab.training.task import Task, as_answer, as_conversation


class CountingSFTTrainer(SFTTrainer):
    """trl's trainer, which also tells the reporter how many completion tokens it trains."""

    reporter: Any = None

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if model.training and "labels" in inputs:
            self.reporter.tokens_trained += int((inputs["labels"] != -100).sum())
        return super().compute_loss(model, inputs, *args, **kwargs)


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def train(task: Task) -> None:
    """Train the model in place."""
    recipe: SftRecipe = task.recipe
    size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
    arguments = SFTConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length,
            completion_only_loss=True,
        )
    )
    rows = [
        {
            "prompt": as_conversation(row["prompt"]),
            "completion": as_answer(row["completion"]),
        }
        for row in task.dataset.train
    ]
    trainer = CountingSFTTrainer(
        model=task.model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=task.tokenizer
    )
    trainer.reporter = task.reporter
    task.run(trainer)
