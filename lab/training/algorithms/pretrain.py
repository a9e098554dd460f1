"""Pretraining: next-token prediction from scratch, stage 1 of the course.

Loss: the cross-entropy, −mean log π(y_t | y_<t), over every token of every text. The texts are the lab's own
(``lab/tasks/equations.py``); held-out problems are in none of them.

Departures from transformers' Trainer: none but where the formula stands.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import TrainingArguments

from lab.core.recipes import PretrainRecipe
from lab.tasks.equations import pretraining_texts
from lab.training.algorithms import losses
from lab.training.models.base import Loaded, choose_device
from lab.training.models.tiny_llama import ASSISTANT, END, USER, build_model, build_tokenizer
from lab.training.task import Task
from lab.training.trainers.step_trainer import Batch, StepTrainer

TOKENIZER_TEXTS = 5_000


class Texts(Dataset):  # type: ignore[type-arg]
    """Token ids of the first ``count`` texts, each at most ``max_length`` tokens."""

    def __init__(self, tokenizer: Any, recipe: PretrainRecipe, count: int) -> None:
        texts = [
            f"{USER}{prompt}{END}{ASSISTANT}{completion}{END}"
            for prompt, completion in islice(pretraining_texts(recipe.seed), count)
        ]
        self.rows: list[list[int]] = tokenizer(texts, truncation=True, max_length=recipe.max_length)["input_ids"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> list[int]:
        return self.rows[index]


def prepare(task: Task) -> Loaded:
    """The tokenizer and the untrained model."""
    recipe: PretrainRecipe = task.recipe
    sample = (text for pair in islice(pretraining_texts(recipe.seed), TOKENIZER_TEXTS) for text in pair)
    tokenizer = build_tokenizer(sample, recipe.vocabulary)
    device = choose_device(recipe.device)
    return Loaded(build_model(recipe, tokenizer).to(device), tokenizer, device, fresh_adapter=False)


def build_trainer(task: Task) -> StepTrainer:
    """The trainer of a task."""
    recipe: PretrainRecipe = task.recipe
    pad = task.tokenizer.pad_token_id

    def collate(rows: list[list[int]]) -> Batch:
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, losses.IGNORED)}

    arguments = TrainingArguments(
        **task.arguments(per_device_train_batch_size=recipe.batch_size, adam_beta2=0.99, remove_unused_columns=False)
    )
    return StepTrainer(
        recipe=recipe,
        loss=loss,
        size_of=lambda batch: int(batch["attention_mask"][:, 1:].sum()),
        model=task.model,
        args=arguments,
        train_dataset=Texts(task.tokenizer, recipe, recipe.steps * recipe.batch_size),
        data_collator=collate,
    )


def loss(trainer: StepTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step: a mean over its tokens but the first of each text, which nothing comes before."""
    mask = batch["attention_mask"]
    logits = model(input_ids=batch["input_ids"], attention_mask=mask).logits
    logps = losses.next_token_logps(logits, batch["labels"])[:, :-1]
    trainer.metrics.train_on(mask)
    return losses.cross_entropy(logps, mask[:, 1:], tokens=trainer.step_size(batch))


def train(task: Task) -> None:
    """Train the model in place."""
    task.run(build_trainer(task))
