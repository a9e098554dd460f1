"""The recipe of GRPO: threshold, scaling, KL."""

from __future__ import annotations

from typing import Literal

from lab.core.groups import ThresholdKind
from lab.core.recipes.fields import Section, Strict, setting
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


class GrpoRecipe(SampledRecipe):
    """GRPO: K answers a prompt, rule rewards, group mean as baseline, a bounded, clipped update on the kept ones."""

    algorithm: Literal["grpo"] = "grpo"
    threshold: Threshold = Threshold()
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
    beta: float = setting(
        0.0,
        Section.GROUP,
        ("KL weight β", "Pulls the policy towards the start; 0 leaves the reference out."),
        ("KL 权重 β", "把策略拉向起点模型；0 则不用参考模型。"),
        ge=0,
        le=10,
    )

    @property
    def roles(self) -> tuple[str, ...]:
        return ("policy", "reference") if self.beta > 0 else ("policy",)
