"""A group: the K completions of one prompt at one step, and what their rewards make of them.

This is the one place that defines mean, standard deviation, advantage and *kept*. The trainer, the inspector's
stored lines and the tests all read it; the browser's "what if" (``group_inspector/threshold.js``) is its twin and is tested
against it. It is not for scoring (``rules.py``) and not for losses (``lab/training``).

Shapes: ``rewards_G`` has K entries; NaN marks a completion that could not be scored.
Source: DeepSeekMath (arXiv 2402.03300), section 4.1.2, equation for the outcome-supervised advantage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

ADVANTAGE_EPSILON = 1e-4
"""Added to σ where advantages are scaled, as in trl."""

NO_SPREAD = 1e-6
"""A group whose σ is smaller carries no signal. Eight equal rewards can leave 3e-8 by rounding."""

CEIL_SLACK = 1e-9
"""0.28 · 25 is 7.000000000000001 in floating point; it must keep 7 completions and not 8."""


class ThresholdKind(StrEnum):
    """Which completions of a group train the policy."""

    ALL = "all"
    ABOVE_MEAN = "above_mean"
    TOP_FRACTION = "top_fraction"


class WhyDropped(StrEnum):
    """Why a completion does not train the policy."""

    BELOW_MEAN = "below_mean"
    NOT_IN_TOP = "not_in_top"
    NO_SPREAD = "no_spread"
    UNSCORED = "unscored"


class Estimator(StrEnum):
    """How an advantage is made of a reward: over the group's deviation, or not, or against the mean of the *others*."""

    GROUP_SCALED = "group_scaled"
    UNSCALED = "unscaled"
    LEAVE_ONE_OUT = "leave_one_out"


class Baseline(StrEnum):
    """What a completion's reward is compared with."""

    MEAN = "mean"
    """The mean of its group, itself included (GRPO)."""
    LEAVE_ONE_OUT = "leave_one_out"
    """The mean of the others of its group (RLOO)."""


def estimator_of(scale_rewards: bool, baseline: str) -> Estimator:
    """The estimator that two settings of a recipe name together. A leave-one-out advantage is never divided by σ."""
    if baseline == Baseline.LEAVE_ONE_OUT:
        return Estimator.LEAVE_ONE_OUT
    return Estimator.GROUP_SCALED if scale_rewards else Estimator.UNSCALED


@dataclass(frozen=True)
class Group:
    """What the rewards of one prompt's K completions come to; every sequence has K entries, in the given order."""

    rewards: tuple[float, ...]
    mean: float
    std: float
    advantages: tuple[float, ...]
    kept: tuple[bool, ...]
    why_dropped: tuple[WhyDropped | None, ...]

    @property
    def has_spread(self) -> bool:
        """Whether the group carries any signal at all."""
        return self.std >= NO_SPREAD

    @property
    def differences(self) -> tuple[float, ...]:
        """``r_i − μ`` of each completion, 0 where it could not be scored."""
        return tuple(reward - self.mean if math.isfinite(reward) else 0.0 for reward in self.rewards)


def make_group(
    rewards_G: Sequence[float],
    threshold: ThresholdKind = ThresholdKind.ALL,
    fraction: float = 1.0,
    *,
    estimator: Estimator = Estimator.GROUP_SCALED,
    skip_no_spread: bool = True,
) -> Group:
    """Mean, sample standard deviation (n − 1), advantages and kept marks of one group.

    ``A_i = (r_i − μ) / (σ + 1e-4)``, or ``r_i − μ`` unscaled, or ``r_i − mean of the other rewards = (r_i − μ) · n / (n − 1)`` with
    leave-one-out (RLOO, arXiv 2402.14740). Rewards that are not finite count as *unscored*: they
    are left out of μ and σ, have advantage 0, and are dropped. ``skip_no_spread=False`` keeps a group without spread in
    (with advantages of about 0), as stock GRPO does. Raises ValueError when ``rewards_G`` is empty or
    ``fraction`` is not in (0, 1].
    """
    rewards = np.asarray(rewards_G, dtype=np.float64)
    if rewards.size == 0:
        raise ValueError("a group has at least one completion")
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction {fraction} is not in (0, 1]")
    scored = np.isfinite(rewards)
    known = rewards[scored]
    mean = float(known.mean()) if known.size else 0.0
    std = float(known.std(ddof=1)) if known.size > 1 else 0.0
    advantages = np.where(scored, rewards - mean, 0.0)
    if estimator is Estimator.GROUP_SCALED:
        advantages = advantages / (std + ADVANTAGE_EPSILON)
    elif estimator is Estimator.LEAVE_ONE_OUT and known.size > 1:
        advantages = advantages * (known.size / (known.size - 1))
    silent = skip_no_spread and std < NO_SPREAD
    why = _why_dropped(rewards, scored, mean, silent, threshold, fraction)
    return Group(
        rewards=tuple(float(r) for r in rewards),
        mean=mean,
        std=std,
        advantages=tuple(float(a) for a in advantages),
        kept=tuple(reason is None for reason in why),
        why_dropped=tuple(why),
    )


def _why_dropped(
    rewards: np.ndarray, scored: np.ndarray, mean: float, silent: bool, threshold: ThresholdKind, fraction: float
) -> list[WhyDropped | None]:
    """The reason for each completion, None where it is kept. *Unscored* goes before *no spread* before the threshold."""
    top = set(top_indices(rewards, fraction)) if threshold is ThresholdKind.TOP_FRACTION else set()
    why: list[WhyDropped | None] = []
    for index, reward in enumerate(rewards):
        if not scored[index]:
            why.append(WhyDropped.UNSCORED)
        elif silent:
            why.append(WhyDropped.NO_SPREAD)
        elif threshold is ThresholdKind.ABOVE_MEAN and not reward > mean:
            why.append(WhyDropped.BELOW_MEAN)
        elif threshold is ThresholdKind.TOP_FRACTION and index not in top:
            why.append(WhyDropped.NOT_IN_TOP)
        else:
            why.append(None)
    return why


def top_count(size: int, fraction: float) -> int:
    """``⌈T · K − 1e-9⌉``: how many completions the soft threshold keeps; at least one."""
    return max(1, math.ceil(fraction * size - CEIL_SLACK))


def top_indices(rewards_G: Sequence[float] | np.ndarray, fraction: float) -> tuple[int, ...]:
    """The best ``top_count`` completions by reward, ties to the lower index; unscored ones (NaN) are never among them.

    Completions of a group are exchangeable, so the lower index is an unbiased choice.
    """
    rewards = np.asarray(rewards_G, dtype=np.float64)
    order = sorted((i for i in range(rewards.size) if math.isfinite(rewards[i])), key=lambda i: (-rewards[i], i))
    return tuple(order[: top_count(rewards.size, fraction)])


def tie_at_cut(rewards_G: Sequence[float], fraction: float) -> bool:
    """Whether the soft threshold cuts between equal rewards, so that index alone decided who was kept."""
    kept = set(top_indices(rewards_G, fraction))
    dropped = [r for i, r in enumerate(rewards_G) if i not in kept and math.isfinite(r)]
    return bool(kept and dropped) and max(dropped) == min(rewards_G[i] for i in kept)
