"""Rules that people write: checking their source, and scoring completions with them in a process that is not ours.

A written rule is Python source with one function ``reward(prompt, completion, answer)``. It is hostile code until shown otherwise:
it runs in pydantic-monty, in a worker (``inside_written.py``) with limits of time, memory and depth, and whatever it does comes back
as scores or as errors *of that rule*. Not here: ready-made rules (``ready.py``), rule sets (``rewards.py``), and any use of ``exec``.

What a row scores does not depend on its place, on the other rows, on other rules or on what ran before: each completion runs the
source in a namespace of its own, unless sharing one makes no difference (``source_shape.py``). Where a source could detect what ran
before in its session, each completion gets a session of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from lab.core.recipes.sampling import LONGEST_SOURCE
from lab.core.rules import LONGEST_MESSAGE, Bounded, Score, check, not_run
from lab.errors import RuleError
from lab.sandbox.worker import Workers

LARGEST = LONGEST_SOURCE
"""Bytes of UTF-8 that a source may have."""

BATCH = 64
"""Completions that run together; more are cut into batches."""

BATCH_CHARACTERS = 1 << 20
"""Characters that run together; longer completions make smaller batches."""

LONGEST_CALL = 2.9
"""Seconds after which the worker is killed. By itself it takes 0.5 s for a batch and 2 s for completions one by one at most."""

Row = tuple[str, str, str | None]
"""``(prompt, completion, answer)``; the answer is None where it is not known."""


@dataclass(frozen=True)
class WrittenRule:
    """A rule as somebody wrote it."""

    name: str
    source: str
    description: str = ""
    low: float = 0.0
    high: float = 1.0
    fallback: float = 0.0


@cache
def worker() -> Workers:
    """The workers of this process for written rules: one, unless it is widened; it starts with its first call."""
    return Workers(LONGEST_CALL, "inside_written.py")


def score_batch(rule: WrittenRule, rows: Sequence[Row], until: float = math.inf) -> list[Score]:
    """One score a row, in order: a number within the rule's bounds, or an error with the rule's fallback. Never raises for
    what the rule does; MachineError where the sandbox itself does not start.

    No batch is begun at ``until`` (of ``time.monotonic``) or later; its rows are not run."""
    if unreadable := text_wrong(rule.source, rule.name):
        return [Score(rule.fallback, str(unreadable[0])[:LONGEST_MESSAGE]) for _ in rows]
    scores: list[Score] = []
    for batch in _batches(rows):
        scores += _score(rule, batch) if time.monotonic() < until else [not_run(rule)] * len(batch)
    return scores


def check_source(source: str, name: str = "") -> list[RuleError]:
    """What is wrong with a source, each with its ``line`` in the parameters; nothing where it can be used.

    It is parsed and loaded in the worker, since parsing alone can exhaust a process.
    """
    if wrong := text_wrong(source, name):
        return wrong
    try:
        reply = worker().ask({"do": "check", "source": source})
    except (TimeoutError, ChildProcessError):
        return [RuleError("rule_source_deep", rule=name, line=1)]
    problems: Any = reply["problems"]
    return [RuleError(rule=name, **problem) for problem in problems]


def check_rule(rule: WrittenRule) -> list[RuleError]:
    """What is wrong with a rule: its bounds and fallback, then its source."""
    return check_bounds(rule) + check_source(rule.source, rule.name)


def check_bounds(rule: Bounded) -> list[RuleError]:
    """What is wrong with the bounds and the fallback of a rule of any kind."""
    numbers = (rule.low, rule.high, rule.fallback)
    if not all(map(math.isfinite, numbers)) or not rule.low < rule.high:
        return [RuleError("rule_bounds", rule=rule.name, low=rule.low, high=rule.high)]
    if not rule.low <= rule.fallback <= rule.high:
        return [RuleError("rule_fallback", rule=rule.name, fallback=rule.fallback, low=rule.low, high=rule.high)]
    return []


def text_wrong(source: str, name: str = "") -> list[RuleError]:
    """A source that is too large, or no text: found without looking at what it says."""
    for number, line in enumerate(source[: LARGEST + 1].split("\n"), start=1):
        if "\0" in line or not _encodable(line):
            return [RuleError("rule_source_text", rule=name, line=number)]
    if (size := len(source.encode("utf-8", "replace"))) > LARGEST:
        return [RuleError("rule_source_large", rule=name, line=1, size=size, most=LARGEST)]
    return []


def _score(rule: WrittenRule, rows: Sequence[Row]) -> list[Score]:
    try:
        reply = worker().ask({"do": "score", "source": rule.source, "rows": [list(map(_whole, row)) for row in rows]})
    except TimeoutError as error:
        return [Score(rule.fallback, f"TimeoutError: {error}")] * len(rows)
    except ChildProcessError:
        return [Score(rule.fallback, "the sandbox ended while it ran this rule")] * len(rows)
    results: Any = reply["results"]
    return [_one(rule, result) for result in results]


def _one(rule: WrittenRule, result: dict[str, Any]) -> Score:
    if "error" in result:
        return Score(rule.fallback, _cut(result["error"]))
    if "type" in result:
        return Score(rule.fallback, f"gave {_cut(result['type'])}, not a number")
    return check(rule, result["value"])


def _cut(message: str) -> str:
    return message.replace("\n", " ")[:LONGEST_MESSAGE].encode("utf-8", "replace").decode("utf-8")


def _batches(rows: Sequence[Row]) -> list[list[Row]]:
    """Batches of at most BATCH rows and about BATCH_CHARACTERS characters."""
    batches: list[list[Row]] = []
    size = BATCH_CHARACTERS
    for row in rows:
        length = sum(len(text) for text in row if text is not None)
        if not batches or len(batches[-1]) == BATCH or size + length > BATCH_CHARACTERS:
            batches.append([])
            size = 0
        batches[-1].append(row)
        size += length
    return batches


def _whole(text: str | None) -> str | None:
    """Lone surrogates, which are no text, as the sign for a character that could not be read."""
    if text is None or _encodable(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
