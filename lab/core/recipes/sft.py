"""The recipe of supervised fine-tuning."""

from __future__ import annotations

from typing import Literal

from lab.core.recipes.common import AdaptedRecipe, Training
from lab.core.recipes.fields import Section, micro_batch, other_default, setting


class SftRecipe(AdaptedRecipe):
    """Supervised fine-tuning on prompt/completion rows, loss on completions only."""

    algorithm: Literal["sft"] = "sft"
    training: Training = other_default(AdaptedRecipe, "training", Training.FULL)
    batch_size: int = setting(
        32,
        Section.OPTIMISER,
        ("Batch", "Rows in one optimiser step."),
        ("批大小", "每步优化用多少行数据。"),
        ge=1,
        le=4096,
    )
    micro_batch_size: int = setting(
        32,
        Section.MACHINE,
        ("Micro-batch", "At most so many rows in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少行；越小越省内存。"),
        advanced=True,
        ge=1,
        le=4096,
    )
    max_length: int = setting(
        128,
        Section.LENGTHS,
        ("Longest row", "Prompt and completion together, in tokens; longer rows are cut."),
        ("最长行", "提示与回答合计的词元数，超出则截断。"),
        ge=8,
        le=131_072,
    )

    @property
    def rows_per_pass(self) -> int:
        return micro_batch(self.batch_size, self.micro_batch_size)
