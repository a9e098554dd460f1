"""The recipe of GRPO: groups, threshold, rules, the clipped update."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lab.core.groups import ThresholdKind
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


class Threshold(Strict):
    """Which completions of a group train the policy (DESIGN 5.6)."""

    kind: ThresholdKind = setting(
        ThresholdKind.ABOVE_MEAN,
        Section.GROUP,
        ("Threshold", "Who trains: all; only rewards above the group's mean (hard); or the top T % (soft)."),
        ("筛选阈值", "谁参与训练：全部；只取高于组均值的（硬阈值）；或前 T%（软阈值）。"),
    )
    fraction: float = setting(
        0.2,
        Section.GROUP,
        ("T", "The share of a group that the soft threshold keeps."),
        ("T", "软阈值保留的比例。"),
        gt=0,
        le=1,
    )


class GrpoRecipe(AdaptedRecipe):
    """GRPO: K answers a prompt, rule rewards, group mean as baseline, a bounded, clipped update on the kept ones."""

    algorithm: Literal["grpo"] = "grpo"
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
    threshold: Threshold = Threshold()
    rules: tuple[RuleUse, ...] = Field(
        (RuleUse(name="equals_answer"), RuleUse(name="integer_answer"), RuleUse(name="consistent")),
        min_length=1,
        max_length=32,
    )
    scale_rewards: bool = setting(
        True,
        Section.GROUP,
        ("Divide by σ", "Advantages are (r − μ)/σ; off: r − μ."),
        ("除以 σ", "优势为 (r − μ)/σ；关闭则为 r − μ。"),
        advanced=True,
    )
    skip_no_spread: bool = setting(
        True,
        Section.GROUP,
        (
            "Skip groups without spread",
            "Groups whose rewards are all equal teach nothing; off: they stay in, as in stock GRPO.",
        ),
        ("跳过无差异组", "奖励全相同的组没有信号；关闭则照原版 GRPO 保留。"),
        advanced=True,
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
    beta: float = setting(
        0.0,
        Section.GROUP,
        ("KL weight β", "Pulls the policy towards the start; 0 leaves the reference out."),
        ("KL 权重 β", "把策略拉向起点模型；0 则不用参考模型。"),
        ge=0,
        le=10,
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
    def _batches_fit(self) -> GrpoRecipe:
        check_multiple("batch_size", self.batch_size, "group_size", self.group_size)
        names = [use.name for use in self.rules]
        if len(set(names)) != len(names):
            raise PydanticCustomError("recipe_rule_twice", "a rule stands twice", {"rules": ", ".join(names)})
        return self
