"""The bench, without its routes (``rules.py``): what is sent to it, and the answer, every number of which is made by core and sandbox.

What a rule does wrong is part of the answer, never an error of the request. The shapes stand in ``docs/routes.md``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.core.groups import ThresholdKind, make_group, tie_at_cut
from lab.core.recipes import RuleUse
from lab.core.rule_sets import MOST_PINS, MOST_RULES
from lab.core.rules import NOT_RUN, Score
from lab.errors import LabError, RuleError
from lab.sandbox.rewards import check_uses, scores_of, weighed
from lab.sandbox.written import Row, text_wrong

MOST_ROWS = 256
LEAST_SHARE = 1.0
"""Seconds that a rule gets at least where it shares the time with many: a worker may have to start first."""

Figure = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Prompt = Annotated[str, Field(max_length=1 << 16)]
Completion = Annotated[str, Field(max_length=1 << 18)]
Answer = Annotated[str, Field(max_length=1 << 14)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SentText(_Sent):
    """A completion with what was asked."""

    prompt: Prompt = ""
    completion: Completion
    answer: Answer | None = None

    @property
    def row(self) -> Row:
        return self.prompt, self.completion, self.answer or None


class SentRow(SentText):
    """A completion to score. ``group`` tells apart groups of one prompt and answer; the number itself means nothing."""

    group: int = Field(0, ge=0, le=MOST_ROWS)


class SentPin(SentText):
    """A completion with the score that the rule's author expects: one of the rule's own tests."""

    expected: Figure


class SentRule(_Sent):
    """A rule of the bench: by name, or written, with its source."""

    name: str = Field(min_length=1, max_length=80)
    weight: Weight = 1.0
    fallback: Figure = 0.0
    source: str | None = Field(None, max_length=1 << 20)
    low: Figure = 0.0
    high: Figure = 1.0
    description: str = Field("", max_length=2000)
    pins: list[SentPin] = Field(default=[], max_length=MOST_PINS)

    def plain(self) -> dict[str, Any]:
        """The values that a rule set keeps: without those that only a written rule has, where it is none."""
        values = self.model_dump()
        return (
            values if self.source is not None else {key: values[key] for key in ("name", "weight", "fallback", "pins")}
        )

    def use(self) -> RuleUse:
        """The same as a recipe has it. Raises RuleError where it can be none: too large a source, no name for a rule."""
        if self.source is not None and (wrong := text_wrong(self.source, self.name)):
            raise wrong[0]
        try:
            return RuleUse.model_validate({key: value for key, value in self.plain().items() if key != "pins"})
        except ValidationError:
            raise RuleError("rule_name", rule=repr(self.name)) from None


class Bench(_Sent):
    """What ``POST /api/rules/bench`` is sent."""

    rules: list[SentRule] = Field(min_length=1, max_length=MOST_RULES)
    rows: list[SentRow] = Field(min_length=1, max_length=MOST_ROWS)
    fraction: float = Field(0.2, gt=0, le=1)


@dataclass(frozen=True)
class Column:
    """What one rule said of every row and of its pins; ``problems`` is why it was not run at all."""

    sent: SentRule
    problems: tuple[LabError, ...]
    scores: tuple[Score, ...]
    pinned: tuple[Score, ...]


def score_bench(sent: Bench, until: float = math.inf, *, trusting: bool = False) -> dict[str, Any]:
    """The answer of the bench: each rule's problems and tests, each completion's scores and reward, each group's figures.

    Rules share the time that is left ``until`` then (of ``time.monotonic``) evenly, so that one that loops leaves some to those
    after it. Rules of a trusted file are there only for those who may use them (``trusting``).
    """
    started = time.monotonic()
    columns = []
    for left, rule in zip(range(len(sent.rules), 0, -1), sent.rules, strict=True):
        now = time.monotonic()
        columns.append(_column(rule, sent, min(until, now + max(LEAST_SHARE, (until - now) / left)), trusting))
    completions = [_completion(columns, number) for number in range(len(sent.rows))]
    rewards = [completion["reward"] for completion in completions]
    return {
        "rules": [_rule(column) for column in columns],
        "completions": completions,
        "groups": [_group(numbers, rewards, sent.fraction) for numbers in _by_prompt(sent.rows)],
        "seconds": time.monotonic() - started,
    }


def _column(rule: SentRule, sent: Bench, until: float, trusting: bool) -> Column:
    """One rule on all rows and on its pins; a rule that cannot be used gives its fallback, as an error, for each of them."""
    rows = [row.row for row in [*sent.rows, *rule.pins]]
    problems = _problems(rule, [each.name for each in sent.rules], until, trusting)
    if problems:
        scores = [Score(rule.fallback, "not run")] * len(rows)
    else:
        scores = scores_of(weighed([rule.use()], trusting=trusting)[0].rule, rows, until)
    if missed := sum(score.error == NOT_RUN for score in scores):
        problems = [RuleError("rule_time_over", rule=rule.name, count=missed, of=len(rows))]
    size = len(sent.rows)
    return Column(rule, tuple(problems), tuple(scores[:size]), tuple(scores[size:]))


def _problems(rule: SentRule, names: Sequence[str], until: float, trusting: bool) -> list[RuleError]:
    """Why a rule cannot be used: its name, its bounds, its source; or that no time was left to look at it."""
    if names.count(rule.name) > 1:
        return [RuleError("rule_name_twice", rule=rule.name)]
    try:
        return check_uses([rule.use()], trusting=trusting, until=until)
    except RuleError as error:
        return [error]


def _rule(column: Column) -> dict[str, Any]:
    pins = [
        {"score": score.as_json(), "passed": score.meets(pin.expected)}
        for pin, score in zip(column.sent.pins, column.pinned, strict=True)
    ]
    return {"name": column.sent.name, "problems": [each.as_dict() for each in column.problems], "pins": pins}


def _completion(columns: Sequence[Column], number: int) -> dict[str, Any]:
    """Scores and shares (weight × score) in the order of the rules: by place, since a name may stand twice while one types."""
    shares = [column.sent.weight * column.scores[number].value for column in columns]
    return {
        "scores": [column.scores[number].as_json() for column in columns],
        "shares": shares,
        "reward": sum(shares),
    }


def _by_prompt(rows: Sequence[SentRow]) -> list[list[int]]:
    """The numbers of the rows, those with the same prompt, answer and group together, in the order in which they came."""
    found: dict[tuple[int, str, str | None], list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault((row.group, row.prompt, row.answer or None), []).append(number)
    return list(found.values())


def _group(numbers: list[int], rewards: Sequence[float], fraction: float) -> dict[str, Any]:
    chosen = [rewards[number] for number in numbers]
    groups = {kind: make_group(chosen, kind, fraction) for kind in ThresholdKind}
    group = groups[ThresholdKind.ALL]
    return {
        "rows": numbers,
        "mean": group.mean,
        "std": group.std,
        "advantages": group.advantages,
        "thresholds": {kind: {"kept": each.kept, "why_dropped": each.why_dropped} for kind, each in groups.items()},
        "tie_at_cut": group.has_spread and tie_at_cut(chosen, fraction),
    }
