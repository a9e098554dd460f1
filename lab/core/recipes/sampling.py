"""What the recipes share that sample from the policy while they train: groups, rules, the clipped update, lengths."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.common import AdaptedRecipe
from lab.core.recipes.fields import Section, Strict, check_multiple, setting


class LossType(StrEnum):
    """How token losses are summed up: see docs/algorithms.md."""

    DAPO = "dapo"
    GRPO = "grpo"
    BNPO = "bnpo"
    DR_GRPO = "dr_grpo"


class RuleUse(Strict):
    """A rule by name, with its weight in the rule set and the score that stands in where it fails."""

    name: str
    weight: float = Field(1.0, ge=-100, le=100)
    fallback: float = Field(0.0, ge=-100, le=100)


class SampledRecipe(AdaptedRecipe):
    """Recipes that sample completions, reward them and update the policy in clipped steps."""

    group_size: int = setting(
        8,
        Section.GROUP,
        ("Group size K", "Completions sampled for each prompt; their mean is the baseline."),
        ("组大小 K", "每个提示采样多少条回答；其均值即基线。"),
        ge=2,
        le=256,
    )
    batch_size: int = setting(
        64,
        Section.GROUP,
        ("Batch", "Completions in one optimiser step: a multiple of K."),
        ("批大小", "每步优化的回答数：K 的倍数。"),
        ge=2,
        le=8192,
    )
    micro_batch_size: int = setting(
        64,
        Section.MACHINE,
        ("Micro-batch", "At most so many completions in one forward and backward pass; smaller needs less memory."),
        ("微批大小", "一次前向与反向最多多少条回答；越小越省内存。"),
        advanced=True,
        ge=1,
        le=8192,
    )
    rules: tuple[RuleUse, ...] = Field(
        (RuleUse(name="equals_answer"), RuleUse(name="integer_answer"), RuleUse(name="consistent")),
        min_length=1,
        max_length=32,
    )
    iterations: int = setting(
        1,
        Section.GROUP,
        (
            "Updates per rollout",
            "How often each rollout is used. With 1 the ratio is exactly 1 and clipping never acts.",
        ),
        ("每批更新次数", "每批采样用几次。为 1 时比值恒为 1，裁剪不起作用。"),
        ge=1,
        le=16,
    )
    epsilon_low: float = setting(
        0.2,
        Section.GROUP,
        ("Clip ε low", "The ratio is clipped below 1 − ε."),
        ("裁剪 ε 下", "比值下限为 1 − ε。"),
        advanced=True,
        ge=0,
        lt=1,
    )
    epsilon_high: float = setting(
        0.2,
        Section.GROUP,
        ("Clip ε high", "The ratio is clipped above 1 + ε."),
        ("裁剪 ε 上", "比值上限为 1 + ε。"),
        advanced=True,
        ge=0,
        le=10,
    )
    loss_type: LossType = setting(
        LossType.DAPO,
        Section.GROUP,
        ("Loss", "How token losses are summed: dapo divides by the kept tokens of the whole step."),
        ("损失形式", "词元损失如何汇总：dapo 除以整步保留的词元数。"),
        advanced=True,
    )
    temperature: float = setting(
        1.0,
        Section.LENGTHS,
        ("Temperature", "Of sampling while training; 1 samples from the model itself."),
        ("温度", "训练采样的温度；1 即模型自身分布。"),
        gt=0,
        le=5,
    )
    max_completion_length: int = setting(
        40,
        Section.LENGTHS,
        ("Longest completion", "In tokens; longer ones are cut and marked."),
        ("最长回答", "以词元计；超出则截断并标记。"),
        ge=1,
        le=32_768,
    )

    @model_validator(mode="after")
    def _batches_fit(self) -> SampledRecipe:
        check_multiple("batch_size", self.batch_size, "group_size", self.group_size)
        names = [use.name for use in self.rules]
        if len(set(names)) != len(names):
            raise PydanticCustomError("recipe_rule_twice", "a rule stands twice", {"rules": ", ".join(names)})
        return self
