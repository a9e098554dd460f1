"""The recipe of supervised fine-tuning."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from lab.core.recipes.adapted import AdaptedRecipe, RowsRecipe, Training
from lab.core.recipes.fields import Section, other_default, setting


class TrainOn(StrEnum):
    """Which of the assistant's messages of a conversation the loss counts."""

    ALL = "all"
    LAST = "last"


class SftRecipe(RowsRecipe):
    """Supervised fine-tuning on prompt/completion rows, loss on completions only."""

    algorithm: Literal["sft"] = "sft"
    training: Training = other_default(AdaptedRecipe, "training", Training.FULL)
    batch_size: int = setting(
        32,
        Section.OPTIMISER,
        ("Batch", "Rows in one optimiser step."),
        ("批大小", "每步优化用多少行数据。"),
        between=(1, 4096),
    )
    micro_batch_size: int = setting(
        32,
        Section.MACHINE,
        ("Micro-batch", "At most so many rows in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少行；越小越省内存。"),
        advanced=True,
        between=(1, 4096),
    )
    train_on: TrainOn = setting(
        TrainOn.ALL,
        Section.WHAT,
        (
            "Train on",
            "Of a conversation: `all` trains on every message of the assistant, `last` only on the last one. Rows of one answer are the same in both.",
        ),
        ("训练哪些回答", "用于多轮对话：`all` 训练助手的每一条消息，`last` 只训练最后一条。只有一条回答的行没有区别。"),
        advanced=True,
    )

    @property
    def trains_every_answer(self) -> bool:
        return self.train_on is TrainOn.ALL
