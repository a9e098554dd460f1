"""The numbers of a pre-flight, computed from sampled completions and their rewards. What they mean is ``preflight.py``'s.

GRPO learns from differences *within* a group, so rewards and scores are centred on their group's mean, c_ij = x_ij − x̄_i, before
anything is said of variance (PPO's critic learns across prompts: there, on the mean of all)::

    share of variance of rule k = Σ_ij w_k c_ij(s_k) c_ij(r) / Σ_ij c_ij(r)²        these add up to 1; one may be negative
    correlation of a and b      = Σ_ij c_ij(a) c_ij(b) / √(Σ_ij c_ij(a)² · Σ_ij c_ij(b)²)

Shapes: ``groups_P_G`` has P prompts of K completions each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lab.core.groups import NO_SPREAD, make_group
from lab.core.rules import Score
from lab.core.shares import Share

DOMINATES = 0.9
"""A rule with so much of the reward's variance leaves the others next to nothing."""


@dataclass(frozen=True)
class Scored:
    """One completion: its reward, each rule's score by name, its length in tokens, and whether it was cut."""

    reward: float
    scores: dict[str, Score]
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class RuleInSet:
    """A rule's place in the set: its weight, and its bounds (None where it has none, as a reward model)."""

    name: str
    weight: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class People:
    """How the rules do on the pairs that people decided."""

    agree: Share
    """Ranked as people did; a tie counts half."""
    ties: int
    failures: tuple[tuple[str, Share, str], ...] = ()
    """Rules that failed on some of the responses: the name, the share of responses, the most frequent message."""

    def as_json(self) -> dict[str, Any]:
        """``{"agree", "low", "high", "pairs", "ties", "failures"}``."""
        low, high = self.agree.interval
        failures = [
            {"rule": rule, "count": share.count, "of": share.of, "message": message}
            for rule, share, message in self.failures
        ]
        counts = {"pairs": self.agree.of, "ties": self.ties}
        return {"agree": self.agree.share, "low": low, "high": high, **counts, "failures": failures}


@dataclass(frozen=True)
class RewardNumbers:
    """The rewards of all completions, and the lowest and highest that the rule set can give (None where a rule has no bounds)."""

    mean: float
    std: float
    lowest: float
    highest: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RuleNumbers:
    """One rule's scores of all completions."""

    name: str
    weight: float
    mean: float
    std: float
    errors: float
    """The share of completions on which it failed."""
    messages: list[list[Any]]
    """The three most frequent messages of its failures: ``[message, count]``."""
    share_of_variance: float | None
    """None where the reward never varies."""
    with_length: float | None
    """Its correlation with the completion's length; None where one of them never varies."""


@dataclass(frozen=True)
class PreflightNumbers:
    """Everything that is computed from the completions, in the order in which it is stored (``docs/formats.md``)."""

    prompts: int
    group_size: int
    completions: int
    critic: bool
    reward: RewardNumbers
    group_std: float
    """The mean of the groups' standard deviations."""
    no_spread: Share
    """The groups whose rewards are all equal."""
    at_bottom: int
    """Of those, the groups whose reward lies in the lowest third of what the set can give."""
    at_top: int
    """And in the highest third."""
    truncated: float
    """The share of completions that were cut."""
    tokens: float
    """The mean length of a completion."""
    rules: list[RuleNumbers]
    correlations: list[list[Any]]
    """``[rule, rule, correlation or None]`` of every two rules."""
    with_length: float | None
    """The reward's correlation with the completion's length."""
    dominant: str | None
    """The rule that nearly all of the reward's variance comes from."""

    @property
    def weighted_rules(self) -> list[RuleNumbers]:
        """The rules whose weight is not 0."""
        return [rule for rule in self.rules if rule.weight]

    def as_json(self) -> dict[str, Any]:
        """The stored form: the counts at either end stand beside the share of groups without spread."""
        numbers = asdict(self)
        ends = {name: numbers.pop(name) for name in ("at_bottom", "at_top")}
        return numbers | {"no_spread": self.no_spread.as_json() | ends}


class SampledGroups:
    """The completions as arrays of shape (P, K), and the numbers computed from them."""

    def __init__(self, groups_P_G: Sequence[Sequence[Scored]], rules: Sequence[RuleInSet], critic: bool) -> None:
        self.rules, self.critic = rules, critic
        self.flat = [scored for group in groups_P_G for scored in group]
        shape = (len(groups_P_G), len(groups_P_G[0]))
        self.rewards = np.array([scored.reward for scored in self.flat], dtype=np.float64).reshape(shape)
        self.tokens = np.array([scored.tokens for scored in self.flat], dtype=np.float64).reshape(shape)
        values = {rule.name: [scored.scores[rule.name].value for scored in self.flat] for rule in rules}
        self.scores = {name: np.array(scores, dtype=np.float64).reshape(shape) for name, scores in values.items()}
        self.groups = [make_group(row) for row in self.rewards.tolist()]
        silent = [group for group in self.groups if not group.has_spread]
        self.no_spread = Share(len(silent), len(self.groups))
        self.silent_levels = [level for group in silent if (level := self.level(group.mean)) is not None]

    def bounds(self) -> tuple[float, float] | None:
        """The lowest and highest reward that the set can give; None where a rule has no bounds."""
        low = high = 0.0
        for rule in self.rules:
            if rule.low is None or rule.high is None:
                if rule.weight:
                    return None
                continue
            ends = sorted((rule.weight * rule.low, rule.weight * rule.high))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def level(self, reward: float) -> float | None:
        """Where a reward lies between the lowest (0) and the highest (1) that the set can give; None where it has no bounds."""
        bounds = self.bounds()
        if bounds is None or bounds[1] - bounds[0] < NO_SPREAD:
            return None
        return (reward - bounds[0]) / (bounds[1] - bounds[0])

    def centred(self, values: np.ndarray) -> np.ndarray:
        """The values without their group's mean (with a critic, without the mean of all)."""
        centred: np.ndarray = values - (values.mean() if self.critic else values.mean(axis=1, keepdims=True))
        return centred

    def correlation(self, a: np.ndarray, b: np.ndarray) -> float | None:
        """None where one of them never varies."""
        a, b = self.centred(a), self.centred(b)
        scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return None if scale < NO_SPREAD else float((a * b).sum() / scale)

    def share_of_variance(self, rule: RuleInSet) -> float | None:
        """None where the reward never varies."""
        rewards = self.centred(self.rewards)
        whole = float((rewards * rewards).sum())
        if whole < NO_SPREAD:
            return None
        return float((rule.weight * self.centred(self.scores[rule.name]) * rewards).sum() / whole)

    def errors(self, rule: RuleInSet) -> list[str]:
        """The messages of its failures."""
        return [error for scored in self.flat if (error := scored.scores[rule.name].error) is not None]

    def numbers(self) -> PreflightNumbers:
        """All numbers."""
        rules = [self._of_rule(rule) for rule in self.rules]
        pairs = combinations([rule.name for rule in self.rules], 2)
        return PreflightNumbers(
            prompts=len(self.groups),
            group_size=self.rewards.shape[1],
            completions=len(self.flat),
            critic=self.critic,
            reward=self._of_reward(),
            group_std=float(np.mean([group.std for group in self.groups])),
            no_spread=self.no_spread,
            at_bottom=sum(level < 1 / 3 for level in self.silent_levels),
            at_top=sum(level > 2 / 3 for level in self.silent_levels),
            truncated=sum(scored.truncated for scored in self.flat) / len(self.flat),
            tokens=float(self.tokens.mean()),
            rules=rules,
            correlations=[[a, b, self.correlation(self.scores[a], self.scores[b])] for a, b in pairs],
            with_length=self.correlation(self.rewards, self.tokens),
            dominant=_dominant(rules),
        )

    def _of_reward(self) -> RewardNumbers:
        low, high = self.bounds() or (None, None)
        rewards = self.rewards
        lowest, highest = float(rewards.min()), float(rewards.max())
        return RewardNumbers(float(rewards.mean()), float(rewards.std()), lowest, highest, low, high)

    def _of_rule(self, rule: RuleInSet) -> RuleNumbers:
        scores, errors = self.scores[rule.name], self.errors(rule)
        return RuleNumbers(
            name=rule.name,
            weight=rule.weight,
            mean=float(scores.mean()),
            std=float(scores.std()),
            errors=len(errors) / len(self.flat),
            messages=[[message, count] for message, count in Counter(errors).most_common(3)],
            share_of_variance=self.share_of_variance(rule),
            with_length=self.correlation(scores, self.tokens),
        )


def _dominant(rules: Sequence[RuleNumbers]) -> str | None:
    """The rule that leaves the others next to nothing; None where there is none, or only one rule."""
    shares = {rule.name: rule.share_of_variance for rule in rules if rule.weight and rule.share_of_variance is not None}
    largest = max(shares, key=shares.__getitem__, default=None)
    return largest if largest is not None and len(shares) > 1 and shares[largest] >= DOMINATES else None
