"""Will it learn? A verdict on a rule set *before* a run, from a model's completions and their rewards.

Pure: who samples and scores is ``lab/training/worker/preflight.py``; how the numbers are computed stands in ``preflight_numbers.py``, what a
reward and a group are in ``rules.py`` and ``groups.py``.

Shapes: ``groups_P_G`` has P prompts of K completions each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from lab.core.groups import NO_SPREAD
from lab.core.preflight_numbers import People, PreflightNumbers, RuleInSet, RuleNumbers, SampledGroups, Scored

FAILS = 0.1
"""A rule that fails on so many completions has to be mended first."""
NO_SPREAD_MANY, NO_SPREAD_MOST = 0.5, 0.8
"""From here on little, or next to nothing, can be learnt."""
ONE_VALUE = 0.95
"""With a critic: so many completions of one and the same reward leave next to nothing to learn."""
AGAINST, SAME, LENGTH, TRUNCATED, PEOPLE = -0.05, 0.95, 0.7, 0.2, 0.6
"""Limits from which a note is made: a share of variance, two correlations, the share of cut completions, agreement with people."""
WIDE = 0.3
"""An interval wider than this gets a note."""


@dataclass(frozen=True)
class Sentence:
    """A sentence's key in ``[preflight]`` and its parameters."""

    key: str
    params: dict[str, Any]


class Verdict(StrEnum):
    """Whether to start the run."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class PreflightReport:
    """The verdict, its reason and the numbers behind it."""

    kind: Verdict
    reason: Sentence
    notes: list[Sentence]
    numbers: PreflightNumbers
    people: People | None

    def as_json(self) -> dict[str, Any]:
        """The report as it is stored and sent; its shape stands in ``docs/formats.md``."""
        people = None if self.people is None else self.people.as_json()
        verdict = {"kind": self.kind.value, **vars(self.reason)}
        notes = [vars(note) for note in self.notes]
        return {**self.numbers.as_json(), "people": people, "verdict": verdict, "notes": notes}


def report(
    groups_P_G: Sequence[Sequence[Scored]],
    rules: Sequence[RuleInSet],
    *,
    critic: bool = False,
    people: People | None = None,
) -> PreflightReport:
    """The verdict on completions and their scores. ``people``: how the rules do on pairs that people judged.

    Raises ValueError without a completion, or where groups differ in size.
    """
    if not groups_P_G or not groups_P_G[0] or len({len(group) for group in groups_P_G}) > 1:
        raise ValueError("a pre-flight needs groups of one size, with at least one completion each")
    sampled = SampledGroups(groups_P_G, rules, critic)
    numbers = sampled.numbers()
    kind, reason = _verdict(sampled, numbers)
    notes = [*_notes(numbers, reason), *_of_people(people), *_of_few_prompts(numbers)]
    return PreflightReport(kind, reason, notes, numbers, people)


def _verdict(sampled: SampledGroups, numbers: PreflightNumbers) -> tuple[Verdict, Sentence]:
    """The first of these that holds: a rule fails, nothing varies, too little varies, good."""
    worst = max(numbers.weighted_rules, key=lambda rule: rule.errors, default=None)
    if worst is not None and worst.errors >= FAILS:
        return Verdict.BAD, Sentence("rule_fails", _failure(worst))
    if numbers.reward.std < NO_SPREAD:
        level = sampled.level(numbers.reward.mean)
        key = "always_same" if level is None else _at_end(level, 1e-6, "always_lowest", "always_highest", "always_same")
        return Verdict.BAD, Sentence(key, {"reward": _short(numbers.reward.mean), "count": numbers.completions})
    return _with_critic(sampled, numbers) if numbers.critic else _within_groups(numbers)


def _within_groups(numbers: PreflightNumbers) -> tuple[Verdict, Sentence]:
    """GRPO learns within groups: how many of them have no spread, and why."""
    share = numbers.no_spread
    low, high = share.interval
    params = {"percent": _percent(share.share), "low": _percent(low), "high": _percent(high), "groups": share.of}
    if share.share < NO_SPREAD_MANY:
        return Verdict.GOOD, Sentence("good", params | {"spread": _percent(1 - share.share)})
    half = share.count / 2
    if numbers.at_bottom > half:
        key = "too_hard"
    elif numbers.at_top > half:
        key = "too_easy"
    else:
        key = "too_alike"
    return Verdict.BAD if share.share >= NO_SPREAD_MOST else Verdict.WARNING, Sentence(key, params)


def _with_critic(sampled: SampledGroups, numbers: PreflightNumbers) -> tuple[Verdict, Sentence]:
    """A critic learns across prompts: whether nearly all completions have one and the same reward."""
    value, count = Counter(np.round(sampled.rewards, 6).ravel().tolist()).most_common(1)[0]
    share = count / numbers.completions
    if share < ONE_VALUE:
        spread = {"std": _short(numbers.reward.std), "count": numbers.completions}
        return Verdict.GOOD, Sentence("good_critic", spread)
    level = sampled.level(value)
    key = (
        "rarely_differs"
        if level is None
        else _at_end(level, 1 / 3, "rarely_rewarded", "nearly_always", "rarely_differs")
    )
    params = {"percent": _percent(share), "reward": _short(value), "count": numbers.completions}
    return Verdict.WARNING, Sentence(key, params)


def _notes(numbers: PreflightNumbers, reason: Sentence) -> list[Sentence]:
    """What else the rules and the completions give reason to say, the most important first."""
    notes: list[Sentence] = []
    rules = numbers.weighted_rules
    for rule in rules:
        if rule.errors and reason.params.get("rule") != rule.name:
            notes.append(Sentence("some_errors", _failure(rule)))
        elif not rule.errors and rule.std < NO_SPREAD and len(rules) > 1:
            notes.append(Sentence("rule_constant", {"rule": rule.name, "score": _short(rule.mean)}))
        if rule.share_of_variance is not None and rule.share_of_variance < AGAINST:
            notes.append(Sentence("rule_against", {"rule": rule.name}))
    if numbers.dominant:
        share = next(rule.share_of_variance for rule in rules if rule.name == numbers.dominant) or 0.0
        notes.append(Sentence("rule_dominates", {"rule": numbers.dominant, "percent": _percent(min(share, 1.0))}))
    for first, second, r in numbers.correlations:
        if r is not None and r >= SAME:
            notes.append(Sentence("rules_alike", {"first": first, "second": second, "r": _short(r)}))
    if (r := numbers.with_length) is not None and abs(r) >= LENGTH:
        notes.append(Sentence("longer_pays" if r > 0 else "shorter_pays", {"r": _short(r)}))
    if numbers.truncated >= TRUNCATED:
        notes.append(Sentence("truncated", {"percent": _percent(numbers.truncated)}))
    return notes


def _of_people(people: People | None) -> list[Sentence]:
    """Which rules failed on the responses that people judged, and whether the rewards rank them as people did."""
    if people is None:
        return []
    notes = [
        Sentence("people_rule_fails", {"rule": rule, "percent": max(1, _percent(share.share)), "message": message})
        for rule, share, message in people.failures
    ]
    pairs = people.agree.of
    if people.ties > pairs / 2:
        notes.append(Sentence("people_tied", {"ties": people.ties, "pairs": pairs}))
    elif people.agree.share < PEOPLE:
        notes.append(Sentence("people_differ", {"percent": _percent(people.agree.share), "pairs": pairs}))
    return notes


def _of_few_prompts(numbers: PreflightNumbers) -> list[Sentence]:
    """Whether so few groups were sampled that the share without spread is hardly known."""
    low, high = numbers.no_spread.interval
    if numbers.critic or high - low <= WIDE:
        return []
    interval = {"groups": numbers.no_spread.of, "low": _percent(low), "high": _percent(high)}
    return [Sentence("few_prompts", interval)]


def _failure(rule: RuleNumbers) -> dict[str, Any]:
    return {"rule": rule.name, "percent": max(1, _percent(rule.errors)), "message": rule.messages[0][0]}


def _at_end(level: float, near: float, low: str, high: str, between: str) -> str:
    return low if level <= near else high if level >= 1 - near else between


def _percent(share: float) -> int:
    return round(100 * share)


def _short(value: float) -> float:
    return round(value, 3)
