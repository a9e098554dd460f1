"""The recipe of supervised fine-tuning."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from lab.core.recipes.adapted import AdaptedRecipe, RowsRecipe, Training
from lab.core.recipes.fields import Section, batch, micro_batch_at_most, other_default, setting


class TrainOn(StrEnum):
    """Which of the assistant's messages of a conversation the loss counts."""

    ALL = "all"
    LAST = "last"


class SftRecipe(RowsRecipe):
    """Supervised fine-tuning on prompt/completion rows, loss on completions only."""

    algorithm: Literal["sft"] = "sft"
    training: Training = other_default(AdaptedRecipe, "training", Training.FULL)
    batch_size: int = batch(32, "Rows", "行数据")
    micro_batch_size: int = micro_batch_at_most(32, "rows", "行")
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
