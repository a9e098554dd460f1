"""The recipe of pretraining."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.common import Recipe, Schedule
from lab.core.recipes.fields import Section, batch, other_default, setting


class PretrainRecipe(Recipe):
    """Next-token training from scratch of a tiny Llama, on text that the lab makes."""

    algorithm: Literal["pretrain"] = "pretrain"
    model: Literal["scratch"] = "scratch"
    dataset: Literal["equations"] = "equations"
    steps: int = other_default(Recipe, "steps", 1000)
    learning_rate: float = other_default(Recipe, "learning_rate", 3e-3)
    schedule: Schedule = other_default(Recipe, "schedule", Schedule.COSINE)
    warmup_steps: int = other_default(Recipe, "warmup_steps", 50)
    save_every: int = other_default(Recipe, "save_every", 500)
    batch_size: int = batch(32, "Texts", "条文本")
    max_length: int = setting(
        64, Section.LENGTHS, ("Longest text", "In tokens."), ("最长文本", "以词元计。"), advanced=True, ge=16, le=1024
    )
    vocabulary: int = setting(
        288,
        Section.LENGTHS,
        ("Vocabulary", "Tokens of the byte-level BPE; digits stay single."),
        ("词表大小", "字节级 BPE 的词元数；数字保持单个。"),
        advanced=True,
        between=(272, 4096),
    )
    hidden_size: int = setting(
        96,
        Section.LENGTHS,
        ("Width", "Hidden size of the model."),
        ("宽度", "模型的隐藏维度。"),
        advanced=True,
        between=(16, 1024),
    )
    layers: int = setting(
        3,
        Section.LENGTHS,
        ("Layers", "Transformer blocks."),
        ("层数", "Transformer 层数。"),
        advanced=True,
        between=(1, 24),
    )
    heads: int = setting(
        3,
        Section.LENGTHS,
        ("Heads", "Attention heads; must divide the width."),
        ("注意力头", "须整除宽度。"),
        advanced=True,
        between=(1, 16),
    )
    feed_forward: int = setting(
        256,
        Section.LENGTHS,
        ("Feed-forward", "Width of the feed-forward layers."),
        ("前馈宽度", "前馈层的宽度。"),
        advanced=True,
        between=(16, 8192),
    )

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> PretrainRecipe:
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            context = {"hidden_size": self.hidden_size, "heads": self.heads}
            raise PydanticCustomError("recipe_heads", "heads must divide the width into even parts", context)
        return self
