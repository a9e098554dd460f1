"""The recipe of GRPO and its family: threshold, scaling, baseline, level of the ratio, dynamic sampling, KL."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lab.core.groups import Baseline, Estimator, ThresholdKind, estimator_of
from lab.core.recipes.fields import Section, Strict, setting, token_room
from lab.core.recipes.sampling import SampledRecipe


class Threshold(Strict):
    """Which completions of a group train the policy (docs/algorithms.md)."""

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


class RatioLevel(StrEnum):
    """What the clipped ratio is of."""

    TOKEN = "token"
    """Each token has its own (GRPO)."""
    SEQUENCE = "sequence"
    """One for the whole completion, to the power of 1 / its length (GSPO)."""


class GrpoRecipe(SampledRecipe):
    """GRPO: K answers a prompt, rule rewards, group mean as baseline, a bounded, clipped update on the kept ones."""

    algorithm: Literal["grpo"] = "grpo"
    threshold: Threshold = Threshold()
    scale_rewards: bool = setting(
        True,
        Section.GROUP,
        ("Divide by σ", "Advantages are (r − μ)/σ; off: r − μ (Dr. GRPO)."),
        ("除以 σ", "优势为 (r − μ)/σ；关闭则为 r − μ（Dr. GRPO）。"),
        advanced=True,
    )
    baseline: Baseline = setting(
        Baseline.MEAN,
        Section.GROUP,
        (
            "Baseline",
            "What a reward is compared with: the group's mean, or the mean of the others (leave-one-out, RLOO; never divided by σ).",
        ),
        ("基线", "奖励与什么相比：组均值，或组内其余回答的均值（留一法，RLOO；不除以 σ）。"),
        advanced=True,
    )
    ratio_level: RatioLevel = setting(
        RatioLevel.TOKEN,
        Section.GROUP,
        (
            "Ratio of",
            "`token`: each token's own ratio is clipped. `sequence` (GSPO): one length-normalised ratio a completion; it moves far less, so ε is about 0.0003.",
        ),
        (
            "比值的层级",
            "`token`：逐词元计算比值并裁剪；`sequence`（GSPO）：每条回答一个按长度归一的比值，变化小得多，ε 约取 0.0003。",
        ),
        advanced=True,
    )
    dynamic_sampling: int = setting(
        0,
        Section.GROUP,
        (
            "Rounds of dynamic sampling",
            "Groups without spread are thrown away and other prompts asked instead, up to so often a step (DAPO). 0: never. Each round generates more.",
        ),
        (
            "动态采样轮数",
            "丢弃奖励全相同的组，改问其他提示，每步最多重复这么多轮（DAPO）；0 表示不用。每一轮都会多生成回答。",
        ),
        advanced=True,
        between=(0, 16),
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
    beta: float = setting(
        0.0,
        Section.GROUP,
        ("KL weight β", "Pulls the policy towards the start; 0 leaves the reference out."),
        ("KL 权重 β", "把策略拉向起点模型；0 则不用参考模型。"),
        between=(0, 10),
    )

    token_megabytes: float = token_room()

    @property
    def estimator(self) -> Estimator:
        """How advantages are made of rewards."""
        return estimator_of(self.scale_rewards, self.baseline)

    @model_validator(mode="after")
    def _leaves_one_out_unscaled(self) -> GrpoRecipe:
        if self.baseline is Baseline.LEAVE_ONE_OUT and self.scale_rewards:
            raise PydanticCustomError("recipe_scaled_leave_one_out", "leave-one-out is not divided by σ", {})
        return self

    @property
    def roles(self) -> tuple[str, ...]:
        return ("policy", "reference") if self.beta > 0 else ("policy",)
