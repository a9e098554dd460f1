"""Will it learn? What a model's completions and their rewards say of a rule set *before* a run: numbers, and a plain verdict.

Pure: who samples and scores is ``lab/training/jobs.py``. What a reward and a group are stands in ``rules.py`` and ``groups.py``.

GRPO learns from differences *within* a group, so rewards and scores are centred on their group's mean, c_ij = x_ij − x̄_i, before
anything is said of variance (PPO's critic learns across prompts: there, on the mean of all)::

    share of variance of rule k = Σ_ij w_k c_ij(s_k) c_ij(r) / Σ_ij c_ij(r)²        these add up to 1; one may be negative
    correlation of a and b      = Σ_ij c_ij(a) c_ij(b) / √(Σ_ij c_ij(a)² · Σ_ij c_ij(b)²)

Shapes: ``groups_P_G`` has P prompts of K completions each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np

from lab.core.groups import NO_SPREAD, make_group
from lab.core.rules import Score
from lab.core.shares import Share

FAILS = 0.1
"""A rule that fails on so many completions has to be mended first."""
NO_SPREAD_MANY, NO_SPREAD_MOST = 0.5, 0.8
"""From here on little, or next to nothing, can be learnt."""
ONE_VALUE = 0.95
"""With a critic: so many completions of one and the same reward leave next to nothing to learn."""
DOMINATES, AGAINST, SAME, LENGTH, TRUNCATED, PEOPLE = 0.9, -0.05, 0.95, 0.7, 0.2, 0.6
"""From here on a note says so: shares of variance, correlations, the share of cut completions, agreement with people."""
WIDE = 0.3
"""An interval wider than this is said to be wide."""


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
class Sentence:
    """A sentence's key in ``[preflight]`` and its parameters."""

    key: str
    params: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """``{"key", "params"}``."""
        return {"key": self.key, "params": self.params}


class Verdict(StrEnum):
    """Whether to start the run."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class PreflightReport:
    """The verdict, its reason and the numbers behind it; ``numbers`` has the shape that ``docs/architecture.md`` gives."""

    kind: Verdict
    reason: Sentence
    notes: list[Sentence]
    no_spread: Share
    numbers: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The report as it is stored and sent."""
        verdict = {"kind": self.kind.value, **self.reason.as_json()}
        return {**self.numbers, "verdict": verdict, "notes": [note.as_json() for note in self.notes]}


def report(
    groups_P_G: Sequence[Sequence[Scored]],
    rules: Sequence[RuleInSet],
    *,
    critic: bool = False,
    people: Sequence[tuple[float, float]] = (),
) -> PreflightReport:
    """What the completions say. ``people`` are the rewards of (chosen, rejected) responses that people judged.

    Raises ValueError without a completion, or where groups differ in size.
    """
    if not groups_P_G or not groups_P_G[0] or len({len(group) for group in groups_P_G}) > 1:
        raise ValueError("a pre-flight needs groups of one size, with at least one completion each")
    seen = _Seen(groups_P_G, rules, critic)
    numbers = seen.numbers() | {"people": _people(people)}
    kind, reason = _verdict(seen, numbers)
    return PreflightReport(kind, reason, _notes(seen, numbers, reason), seen.no_spread, numbers)


class _Seen:
    """The completions as arrays of shape (P, K)."""

    def __init__(self, groups_P_G: Sequence[Sequence[Scored]], rules: Sequence[RuleInSet], critic: bool) -> None:
        self.rules, self.critic = rules, critic
        self.flat = [scored for group in groups_P_G for scored in group]
        shape = (len(groups_P_G), len(groups_P_G[0]))
        self.rewards = np.array([scored.reward for scored in self.flat], dtype=np.float64).reshape(shape)
        self.tokens = np.array([scored.tokens for scored in self.flat], dtype=np.float64).reshape(shape)
        self.scores = {
            rule.name: np.array([scored.scores[rule.name].value for scored in self.flat], dtype=np.float64).reshape(
                shape
            )
            for rule in rules
        }
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
        """Where a reward stands between the lowest (0) and the highest (1)."""
        bounds = self.bounds()
        if bounds is None or bounds[1] - bounds[0] < NO_SPREAD:
            return None
        return (reward - bounds[0]) / (bounds[1] - bounds[0])

    def centred(self, values: np.ndarray) -> np.ndarray:
        """Without what belongs to the prompt (or, with a critic, to all)."""
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

    def numbers(self) -> dict[str, Any]:
        bounds = self.bounds() or (None, None)
        rules = [self._of_rule(rule) for rule in self.rules]
        weighty = [rule for rule in rules if rule["weight"] and rule["share_of_variance"] is not None]
        largest = max(weighty, key=lambda rule: rule["share_of_variance"], default=None)
        dominates = largest is not None and len(weighty) > 1 and largest["share_of_variance"] >= DOMINATES
        pairs = combinations([rule.name for rule in self.rules], 2)
        ends = {
            "at_bottom": sum(level < 1 / 3 for level in self.silent_levels),
            "at_top": sum(level > 2 / 3 for level in self.silent_levels),
        }
        return {
            "prompts": len(self.groups),
            "group_size": self.rewards.shape[1],
            "completions": len(self.flat),
            "critic": self.critic,
            "reward": {
                "mean": float(self.rewards.mean()),
                "std": float(self.rewards.std()),
                "lowest": float(self.rewards.min()),
                "highest": float(self.rewards.max()),
                "low": bounds[0],
                "high": bounds[1],
            },
            "group_std": float(np.mean([group.std for group in self.groups])),
            "no_spread": self.no_spread.as_json() | ends,
            "truncated": sum(scored.truncated for scored in self.flat) / len(self.flat),
            "tokens": float(self.tokens.mean()),
            "rules": rules,
            "correlations": [[a, b, self.correlation(self.scores[a], self.scores[b])] for a, b in pairs],
            "with_length": self.correlation(self.rewards, self.tokens),
            "dominant": largest["name"] if dominates and largest is not None else None,
        }

    def _of_rule(self, rule: RuleInSet) -> dict[str, Any]:
        scores, errors = self.scores[rule.name], self.errors(rule)
        return {
            "name": rule.name,
            "weight": rule.weight,
            "mean": float(scores.mean()),
            "std": float(scores.std()),
            "errors": len(errors) / len(self.flat),
            "messages": [[message, count] for message, count in Counter(errors).most_common(3)],
            "share_of_variance": self.share_of_variance(rule),
            "with_length": self.correlation(scores, self.tokens),
        }


def _people(people: Sequence[tuple[float, float]]) -> dict[str, float] | None:
    """How often the rewards order two responses as people did; a tie counts half."""
    if not people:
        return None
    ties = sum(abs(chosen - rejected) < NO_SPREAD for chosen, rejected in people)
    wins = sum(chosen - rejected >= NO_SPREAD for chosen, rejected in people)
    agree = Share(wins + ties / 2, len(people))
    low, high = agree.interval
    return {"agree": agree.share, "low": low, "high": high, "pairs": len(people), "ties": ties}


def _verdict(seen: _Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
    """The first of these that holds: a rule fails, nothing varies, too little varies, good."""
    worst = max((rule for rule in numbers["rules"] if rule["weight"]), key=lambda rule: rule["errors"], default=None)
    if worst is not None and worst["errors"] >= FAILS:
        return Verdict.BAD, Sentence("rule_fails", _failure(worst))
    if numbers["reward"]["std"] < NO_SPREAD:
        level = seen.level(numbers["reward"]["mean"])
        key = "always_same" if level is None else _at_end(level, 1e-6, "always_lowest", "always_highest", "always_same")
        return Verdict.BAD, Sentence(key, {"reward": _short(numbers["reward"]["mean"]), "count": len(seen.flat)})
    return _with_critic(seen, numbers) if seen.critic else _within_groups(seen, numbers)


def _within_groups(seen: _Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
    share = seen.no_spread
    low, high = share.interval
    params = {"percent": _percent(share.share), "low": _percent(low), "high": _percent(high), "groups": share.of}
    if share.share < NO_SPREAD_MANY:
        return Verdict.GOOD, Sentence("good", params | {"spread": _percent(1 - share.share)})
    half = share.count / 2
    if numbers["no_spread"]["at_bottom"] > half:
        key = "too_hard"
    elif numbers["no_spread"]["at_top"] > half:
        key = "too_easy"
    else:
        key = "too_alike"
    return Verdict.BAD if share.share >= NO_SPREAD_MOST else Verdict.WARNING, Sentence(key, params)


def _with_critic(seen: _Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
    value, count = Counter(np.round(seen.rewards, 6).ravel().tolist()).most_common(1)[0]
    params = {"percent": _percent(count / len(seen.flat)), "reward": _short(value), "count": len(seen.flat)}
    if count / len(seen.flat) < ONE_VALUE:
        return Verdict.GOOD, Sentence("good_critic", {"std": _short(numbers["reward"]["std"]), "count": len(seen.flat)})
    level = seen.level(value)
    key = (
        "rarely_differs"
        if level is None
        else _at_end(level, 1 / 3, "rarely_rewarded", "nearly_always", "rarely_differs")
    )
    return Verdict.WARNING, Sentence(key, params)


def _notes(seen: _Seen, numbers: dict[str, Any], reason: Sentence) -> list[Sentence]:
    """What is worth knowing besides; in the order of how much it matters."""
    notes: list[Sentence] = []
    rules = [rule for rule in numbers["rules"] if rule["weight"]]
    for rule in rules:
        if rule["errors"] and reason.params.get("rule") != rule["name"]:
            notes.append(Sentence("some_errors", _failure(rule)))
        elif not rule["errors"] and rule["std"] < NO_SPREAD and len(rules) > 1:
            notes.append(Sentence("rule_constant", {"rule": rule["name"], "score": _short(rule["mean"])}))
        if rule["share_of_variance"] is not None and rule["share_of_variance"] < AGAINST:
            notes.append(Sentence("rule_against", {"rule": rule["name"]}))
    if numbers["dominant"]:
        share = next(rule["share_of_variance"] for rule in rules if rule["name"] == numbers["dominant"])
        notes.append(Sentence("rule_dominates", {"rule": numbers["dominant"], "percent": _percent(min(share, 1.0))}))
    for first, second, r in numbers["correlations"]:
        if r is not None and r >= SAME:
            notes.append(Sentence("rules_alike", {"first": first, "second": second, "r": _short(r)}))
    if (r := numbers["with_length"]) is not None and abs(r) >= LENGTH:
        notes.append(Sentence("longer_pays" if r > 0 else "shorter_pays", {"r": _short(r)}))
    if numbers["truncated"] >= TRUNCATED:
        notes.append(Sentence("truncated", {"percent": _percent(numbers["truncated"])}))
    if (people := numbers["people"]) is not None and people["agree"] < PEOPLE:
        notes.append(Sentence("people_differ", {"percent": _percent(people["agree"]), "pairs": people["pairs"]}))
    low, high = seen.no_spread.interval
    if not seen.critic and high - low > WIDE:
        interval = {"groups": seen.no_spread.of, "low": _percent(low), "high": _percent(high)}
        notes.append(Sentence("few_prompts", interval))
    return notes


def _failure(rule: dict[str, Any]) -> dict[str, Any]:
    return {"rule": rule["name"], "percent": max(1, _percent(rule["errors"])), "message": rule["messages"][0][0]}


def _at_end(level: float, near: float, low: str, high: str, between: str) -> str:
    return low if level <= near else high if level >= 1 - near else between


def _percent(share: float) -> int:
    return round(100 * share)


def _short(value: float) -> float:
    return round(value, 3)
