"""Will it learn? What a model's completions and their rewards say of a rule set *before* a run: numbers, and a plain verdict.

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
from lab.core.preflight_numbers import People, RuleInSet, Scored, Seen
from lab.core.shares import Share

FAILS = 0.1
"""A rule that fails on so many completions has to be mended first."""
NO_SPREAD_MANY, NO_SPREAD_MOST = 0.5, 0.8
"""From here on little, or next to nothing, can be learnt."""
ONE_VALUE = 0.95
"""With a critic: so many completions of one and the same reward leave next to nothing to learn."""
AGAINST, SAME, LENGTH, TRUNCATED, PEOPLE = -0.05, 0.95, 0.7, 0.2, 0.6
"""From here on a note says so: shares of variance, correlations, the share of cut completions, agreement with people."""
WIDE = 0.3
"""An interval wider than this is said to be wide."""


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
    """The verdict, its reason and the numbers behind it; ``numbers`` has the shape that ``docs/formats.md`` gives."""

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
    people: People | None = None,
) -> PreflightReport:
    """What the completions say. ``people``: what the rules say of pairs that people judged.

    Raises ValueError without a completion, or where groups differ in size.
    """
    if not groups_P_G or not groups_P_G[0] or len({len(group) for group in groups_P_G}) > 1:
        raise ValueError("a pre-flight needs groups of one size, with at least one completion each")
    seen = Seen(groups_P_G, rules, critic)
    numbers = seen.numbers() | {"people": None if people is None else people.as_json()}
    kind, reason = _verdict(seen, numbers)
    return PreflightReport(kind, reason, _notes(seen, numbers, reason), seen.no_spread, numbers)


def _verdict(seen: Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
    """The first of these that holds: a rule fails, nothing varies, too little varies, good."""
    worst = max((rule for rule in numbers["rules"] if rule["weight"]), key=lambda rule: rule["errors"], default=None)
    if worst is not None and worst["errors"] >= FAILS:
        return Verdict.BAD, Sentence("rule_fails", _failure(worst))
    if numbers["reward"]["std"] < NO_SPREAD:
        level = seen.level(numbers["reward"]["mean"])
        key = "always_same" if level is None else _at_end(level, 1e-6, "always_lowest", "always_highest", "always_same")
        return Verdict.BAD, Sentence(key, {"reward": _short(numbers["reward"]["mean"]), "count": len(seen.flat)})
    return _with_critic(seen, numbers) if seen.critic else _within_groups(seen, numbers)


def _within_groups(seen: Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
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


def _with_critic(seen: Seen, numbers: dict[str, Any]) -> tuple[Verdict, Sentence]:
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


def _notes(seen: Seen, numbers: dict[str, Any], reason: Sentence) -> list[Sentence]:
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
    if numbers["people"] is not None:
        notes += _of_people(numbers["people"])
    low, high = seen.no_spread.interval
    if not seen.critic and high - low > WIDE:
        interval = {"groups": seen.no_spread.of, "low": _percent(low), "high": _percent(high)}
        notes.append(Sentence("few_prompts", interval))
    return notes


def _of_people(people: dict[str, Any]) -> list[Sentence]:
    """Which rules failed on what people judged, and whether the rewards say the same as they do."""
    notes = [
        Sentence(
            "people_rule_fails",
            {"rule": one["rule"], "percent": max(1, _percent(one["count"] / one["of"])), "message": one["message"]},
        )
        for one in people["failures"]
    ]
    if people["ties"] > people["pairs"] / 2:
        notes.append(Sentence("people_tied", {"ties": people["ties"], "pairs": people["pairs"]}))
    elif people["agree"] < PEOPLE:
        notes.append(Sentence("people_differ", {"percent": _percent(people["agree"]), "pairs": people["pairs"]}))
    return notes


def _failure(rule: dict[str, Any]) -> dict[str, Any]:
    return {"rule": rule["name"], "percent": max(1, _percent(rule["errors"])), "message": rule["messages"][0][0]}


def _at_end(level: float, near: float, low: str, high: str, between: str) -> str:
    return low if level <= near else high if level >= 1 - near else between


def _percent(share: float) -> int:
    return round(100 * share)


def _short(value: float) -> float:
    return round(value, 3)
