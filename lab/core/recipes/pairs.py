"""The recipes that read preferences: the reward model and DPO."""

from __future__ import annotations

from typing import Literal

from lab.core.recipes.adapted import RowsRecipe
from lab.core.recipes.fields import Section, batch, micro_batch_at_most, other_default, setting, token_room


class PairsRecipe(RowsRecipe):
    """Recipes that read preferences: prompt, chosen, rejected."""

    batch_size: int = batch(32, "Preferences", "条偏好")
    micro_batch_size: int = micro_batch_at_most(32, "preferences", "条偏好")
    pair_margin: float = setting(
        0.0,
        Section.WHAT,
        (
            "Margin",
            "Of `groups:RUN_ID`: the best and the worst of a group become a pair where their rewards lie further apart.",
        ),
        ("奖励差", "用于 `groups:运行ID`：组内最好与最差的奖励差超过此值，才组成一对偏好。"),
        advanced=True,
        between=(0, 1000),
    )


class RmRecipe(PairsRecipe):
    """A reward model: Bradley–Terry on preferences, a head with one output on the policy's own base."""

    algorithm: Literal["rm"] = "rm"
    batch_size: int = other_default(PairsRecipe, "batch_size", 64)
    micro_batch_size: int = other_default(PairsRecipe, "micro_batch_size", 64)

    @property
    def roles(self) -> tuple[str, ...]:
        return ("reward",)


class DpoRecipe(PairsRecipe):
    """DPO: straight from preferences, no reward model; the reference is the start."""

    algorithm: Literal["dpo"] = "dpo"
    learning_rate: float = other_default(PairsRecipe, "learning_rate", 5e-4)
    beta: float = setting(
        0.1,
        Section.GROUP,
        ("β", "How closely the policy stays by the reference: smaller moves further."),
        ("β", "策略与参考模型的贴近程度：越小走得越远。"),
        gt=0,
        le=10,
    )
    max_log_ratio: float = setting(
        5.0,
        Section.GROUP,
        (
            "Log-ratio that ends the run",
            "Nats a token between the policy and its start on chosen responses, either way, three steps in a row. 0 turns this off.",
        ),
        (
            "终止运行的对数比",
            "连续三步，被选回答上策略与起点的对数概率之差（每词元纳特，不论方向）都超过此值即结束。0 表示关闭。",
        ),
        advanced=True,
        between=(0, 1000),
    )

    token_megabytes: float = token_room()

    @property
    def roles(self) -> tuple[str, ...]:
        return ("policy", "reference")
