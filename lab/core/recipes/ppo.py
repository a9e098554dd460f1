"""The recipe of PPO: critic, token-level KL reward, GAE, and where rewards come from."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.adapted import Training
from lab.core.recipes.fields import Section, other_default, setting
from lab.core.recipes.sampling import SampledRecipe


class Critic(StrEnum):
    """What the critic reads its values from."""

    OWN = "own"
    """An adapter of its own, as deep as the policy, and a head."""
    TRUNK = "trunk"
    """A head on the policy's states: no second adapter, no moments for it, and no pass of its own in an update."""


class PpoRecipe(SampledRecipe):
    """PPO: policy, reference, reward model and critic as roles on one base; a value for every token."""

    algorithm: Literal["ppo"] = "ppo"
    iterations: int = other_default(SampledRecipe, "iterations", 3)
    group_size: int = other_default(SampledRecipe, "group_size", 2)
    reward_model: str = setting(
        "",
        Section.WHAT,
        ("Reward model", "A reward-model run (`run:ID`) trained as an adapter on the same base; empty: rules alone."),
        ("奖励模型", "在同一基座上以适配器训练的奖励模型运行（`run:ID`）；留空则只用规则。"),
        max_length=400,
    )
    reward_model_weight: float = setting(
        1.0,
        Section.WHAT,
        ("Weight of the reward model", "The reward is this times its score, plus the weighted rules."),
        ("奖励模型的权重", "奖励 = 此权重 × 模型得分 + 加权规则。"),
        advanced=True,
        between=(0, 100),
    )
    rules_weight: float = setting(
        1.0,
        Section.WHAT,
        ("Weight of the rules", "0 leaves the reward to the reward model alone; the rules are still shown."),
        ("规则的权重", "0 表示只用奖励模型；规则得分仍会显示。"),
        advanced=True,
        between=(0, 100),
    )
    kl_coefficient: float = setting(
        0.02,
        Section.GROUP,
        ("KL weight β", "Each token costs β·(log π − log π_ref): what keeps the policy near its start."),
        ("KL 权重 β", "每个词元付出 β·(log π − log π_ref)：使策略不远离起点。"),
        between=(0, 10),
    )
    critic: Critic = setting(
        Critic.OWN,
        Section.GROUP,
        (
            "Critic",
            "`own`: an adapter as deep as the policy. `trunk`: a value head on the policy's states, which is cheaper.",
        ),
        ("评论家（价值网络）", "`own`：与策略同深的独立适配器；`trunk`：在策略的隐藏状态上加价值头，更省。"),
        advanced=True,
    )
    discount: float = setting(
        1.0,
        Section.GROUP,
        ("Discount γ", "Of later rewards."),
        ("折扣 γ", "对后续奖励的折扣。"),
        advanced=True,
        gt=0,
        le=1,
    )
    gae_lambda: float = setting(
        0.95,
        Section.GROUP,
        ("GAE λ", "1 trusts the rewards alone, 0 the critic alone."),
        ("GAE λ", "1 只信奖励，0 只信评论家。"),
        advanced=True,
        between=(0, 1),
    )
    value_clip: float = setting(
        0.2,
        Section.GROUP,
        ("Value clip", "A value moves at most this far from the rollout's before its loss is cut."),
        ("价值裁剪", "价值偏离采样时的值超过此数则裁剪损失。"),
        advanced=True,
        gt=0,
        le=100,
    )
    value_coefficient: float = setting(
        0.5,
        Section.GROUP,
        ("Value loss weight", "Of the critic's loss beside the policy's."),
        ("价值损失权重", "评论家损失相对策略损失的权重。"),
        advanced=True,
        gt=0,
        le=100,
    )

    @property
    def roles(self) -> tuple[str, ...]:
        return ("policy", "reference", *(("reward",) if self.reward_model else ()), "value")

    @model_validator(mode="after")
    def _roles_fit(self) -> PpoRecipe:
        if self.training is Training.FULL:
            raise PydanticCustomError("recipe_ppo_needs_lora", "PPO's roles are adapters on one base", {})
        if not self.reward_model and self.rules_weight == 0:
            raise PydanticCustomError("recipe_ppo_no_reward", "no rules and no reward model", {})
        return self
