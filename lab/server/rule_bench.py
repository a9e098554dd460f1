"""The bench without its routes (``rules.py``): what is sent to it, its answer, and the completions that it offers to score.

Core and sandbox make every number of the answer. What a rule does wrong is part of the answer, never an error of the request. The
shapes stand in ``docs/routes.md``. Completions come from the lab's own equations and the files that runs have used: a path that
somebody sends is looked up, never opened. A group of a run has its own route (``runs.py``).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, ValidationError

from lab.core.groups import ThresholdKind, make_group, tie_at_cut
from lab.core.recipes import EQUATIONS, RuleUse
from lab.core.rule_sets import MOST_PINS, MOST_RULES
from lab.core.rules import NOT_RUN, Score
from lab.data.datasets import rows_of_file
from lab.data.file_names import parse_file
from lab.data.forms import COMPLETION_FORMS, detect_form, shape_completions
from lab.data.preference_forms import shape_preferences
from lab.data.recognition import Form
from lab.data.turns import last_words
from lab.errors import DatasetError, LabError, RuleError
from lab.sandbox.rewards import check_uses, scores_of, weighed
from lab.sandbox.written import Row, text_wrong
from lab.server.answers import Sent
from lab.store.runs import Store
from lab.tasks.equations import Language, Split, Style, problems

MOST_ROWS = 256
A_PAGE = 4
"""Groups that are handed out at once."""
MOST_GROUPS = 2000
MOST_OF_ONE = 32
LEAST_SHARE = 1.0
"""Seconds that a rule gets at least where it shares the time with many: a worker may have to start first."""

Group = dict[str, Any]

Figure = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Prompt = Annotated[str, Field(max_length=1 << 16)]
Completion = Annotated[str, Field(max_length=1 << 18)]
Answer = Annotated[str, Field(max_length=1 << 14)]


class SentText(Sent):
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


class SentRule(Sent):
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


class Bench(Sent):
    """What ``POST /api/rules/bench`` is sent."""

    rules: list[SentRule] = Field(min_length=1, max_length=MOST_RULES)
    rows: list[SentRow] = Field(min_length=1, max_length=MOST_ROWS)
    fraction: float = Field(0.2, gt=0, le=1)


@dataclass(frozen=True)
class Column:
    """The scores of one rule for all rows and for its pins; ``problems`` says why it was not run at all."""

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
    numbers: dict[tuple[int, str, str | None], list[int]] = {}
    for number, row in enumerate(rows):
        numbers.setdefault((row.group, row.prompt, row.answer or None), []).append(number)
    return list(numbers.values())


def _group(numbers: list[int], rewards: Sequence[float], fraction: float) -> dict[str, Any]:
    chosen = [rewards[number] for number in numbers]
    groups = {kind: make_group(chosen, kind, fraction) for kind in ThresholdKind}
    group = groups[ThresholdKind.ALL]
    return {
        "rows": numbers,
        "mean": group.mean,
        "std": group.std,
        "advantages": group.advantages,
        "differences": group.differences,
        "thresholds": {kind: {"kept": each.kept, "why_dropped": each.why_dropped} for kind, each in groups.items()},
        "tie_at_cut": group.has_spread and tie_at_cut(chosen, fraction),
    }


def datasets(store: Store) -> list[str]:
    """The data sets that can be named: the lab's own, then the files of runs, the newest first."""
    used = (str(run.recipe.get("dataset", "")) for run in store.runs())
    files = (name for name in used if name and name != EQUATIONS and parse_file(name).path.is_file())
    return list(dict.fromkeys([EQUATIONS, *files]))


def groups_of(name: str, first: int, store: Store) -> dict[str, Any]:
    """``{"groups": [{"prompt", "answer", "completions"}…], "first", "next", "total"}`` from group ``first`` on.

    DatasetError where there is no data set of that name, or where it has no completions.
    """
    if name not in datasets(store):
        raise DatasetError("dataset_missing", path=name)
    if name == EQUATIONS:
        groups = _equations()
    else:
        status = parse_file(name).path.stat()
        groups = _from_file(name, (status.st_mtime_ns, status.st_size))
    start = first if first < len(groups) else 0
    after = start + A_PAGE
    return {
        "groups": groups[start:after],
        "first": start,
        "next": after if after < len(groups) else 0,
        "total": len(groups),
    }


@lru_cache(maxsize=1)
def _equations() -> tuple[Group, ...]:
    """The validation problems, each answered in all five styles: a group with something to learn from."""
    chance = random.Random("bench")
    groups = []
    for problem in problems(Split.VALIDATION):
        for language in Language:
            texts = [problem.completion(style, language, chance) for style in Style]
            groups.append({"prompt": problem.prompt(language), "answer": str(problem.x), "completions": texts})
    chance.shuffle(groups)
    return tuple(groups)


@lru_cache(maxsize=4)
def _from_file(name: str, version: tuple[int, int]) -> tuple[Group, ...]:
    """The rows of a file; those of one prompt are one group. ``version`` is the file's time and size: another is read anew."""
    rows = rows_of_file(name)
    form = detect_form(rows)
    answers: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    if form in COMPLETION_FORMS or form in (Form.PROBLEMS, Form.PROMPTS):
        for row in shape_completions(rows, marked=False).rows:
            prompt = last_words(row["prompt"])
            answers[prompt] = row.get("answer", "")
            pairs.append((prompt, row["completion"]))
    else:
        for row in shape_preferences(rows).rows:
            prompt = last_words(row["prompt"])
            pairs += [(prompt, row["chosen"]), (prompt, row["rejected"])]
    groups: dict[str, list[str]] = {}
    for prompt, completion in pairs:
        if len(groups) < MOST_GROUPS or prompt in groups:
            groups.setdefault(prompt, []).append(completion)
    return tuple(
        {"prompt": prompt, "answer": answers.get(prompt, ""), "completions": texts[:MOST_OF_ONE]}
        for prompt, texts in groups.items()
    )
