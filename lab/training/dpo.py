"""DPO: straight from preferences, no reward model.

Loss (Rafailov et al., arXiv 2305.18290, eq. 7)::

    L = −log σ( β [ (log π − log π_ref)(chosen) − (log π − log π_ref)(rejected) ] )

Trainer: trl's DPOTrainer, as it is. The reference is the start: the adapter switched off (or its frozen copy), never a second
model, except for full training, where the start is loaded once more.
"""

from __future__ import annotations

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from lab.core.recipes import DpoRecipe, Training, micro_batch
from lab.training.base import Loaded, load, load_start
from lab.training.task import Task, as_answer, as_conversation


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def build_trainer(task: Task) -> DPOTrainer:
    """trl's trainer for a task."""
    recipe: DpoRecipe = task.recipe
    size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
    arguments = DPOConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length,
            beta=recipe.beta,
        )
    )
    rows = [
        {
            "prompt": as_conversation(row["prompt"]),
            "chosen": as_answer(row["chosen"]),
            "rejected": as_answer(row["rejected"]),
        }
        for row in task.dataset.train
    ]
    return DPOTrainer(
        model=task.model,
        ref_model=load_start(recipe, task.home) if recipe.training is Training.FULL else None,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=task.tokenizer,
    )


def train(task: Task) -> None:
    """Train the model in place."""
    task.run(build_trainer(task))
