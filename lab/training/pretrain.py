"""Pretraining: next-token prediction from scratch, stage 1 of the course.

Loss: −mean log π(y_t | y_<t) over every token of every text. The texts are the lab's own (``lab/tasks/equations.py``); held-out
problems are in none of them. Trainer: transformers' own.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from lab.core.recipes import PretrainRecipe
from lab.tasks.equations import pretraining_texts
from lab.training.models.base import Loaded, choose_device
from lab.training.models.tiny_llama import ASSISTANT, END, USER, build_model, build_tokenizer
from lab.training.task import Task

TOKENIZER_TEXTS = 5_000


class CountingTrainer(Trainer):
    """transformers' trainer, which also tells the reporter how many tokens it trains; the loader runs ahead of it."""

    reporter: Any = None

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if model.training:
            self.reporter.tokens_trained += int(inputs["attention_mask"].sum())
        return super().compute_loss(model, inputs, *args, **kwargs)


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


def train(task: Task) -> None:
    """Train the model in place."""
    recipe: PretrainRecipe = task.recipe
    pad = task.tokenizer.pad_token_id

    def collate(rows: list[list[int]]) -> dict[str, torch.Tensor]:
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}

    arguments = TrainingArguments(
        **task.arguments(per_device_train_batch_size=recipe.batch_size, adam_beta2=0.99, remove_unused_columns=False)
    )
    texts = Texts(task.tokenizer, recipe, recipe.steps * recipe.batch_size)
    trainer = CountingTrainer(task.model, arguments, train_dataset=texts, data_collator=collate)
    trainer.reporter = task.reporter
    task.run(trainer)
