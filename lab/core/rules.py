"""Rules and rule sets: how one completion becomes a reward, and what happens when a rule fails.

A score must be a finite number within the rule's bounds. Anything else (an exception, NaN, None, text) is an *error of
that rule on that completion*: recorded, counted, shown, and replaced by the rule's fallback; never a silent 0, never NaN into
training. The ready-made rules stand in ``lab/rules``; this module knows none of them, and runs no code but the function that
it was handed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lab.errors import MachineError

RuleFunction = Callable[[str, str, str | None], float]
"""``reward(prompt, completion, answer) -> float``; ``answer`` is None where it is not known."""

LONGEST_MESSAGE = 200
"""An error's message is cut to this many characters before it is stored."""
NOT_RUN = "not run: time over"
"""The error of a completion that a rule was not run on because the time given was over."""
CLOSE = 1e-6
"""A score this near to the expected one is the expected one."""


@dataclass(frozen=True)
class Rule:
    """A named function that scores one completion."""

    name: str
    function: RuleFunction = field(compare=False)
    low: float = 0.0
    high: float = 1.0
    fallback: float = 0.0
    label_en: str = ""
    label_zh: str = ""
    about_en: str = ""
    about_zh: str = ""
    needs_answer: bool = False
    """Whether it fails on a row without a known answer, so that a run on such rows can be refused before it starts."""


class Bounded(Protocol):
    """The bounds and the fallback of any rule: ready-made, written or trusted."""

    @property
    def name(self) -> str: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...

    @property
    def fallback(self) -> float: ...


@dataclass(frozen=True)
class Score:
    """What one rule said of one completion: a value, or an error with the fallback that stands in for it."""

    value: float
    error: str | None = None

    def as_json(self) -> float | dict[str, str]:
        """The form of ``groups.jsonl``: the number, or ``{"error": …}``."""
        return self.value if self.error is None else {"error": self.error}

    def meets(self, expected: float) -> bool:
        """Whether it is what a rule's author expects (a pin); an error never is, whatever stands in for it."""
        return self.error is None and abs(self.value - expected) <= CLOSE


@dataclass(frozen=True)
class Reward:
    """The reward of one completion: the weighted sum of its rule scores, each kept beside it by rule name."""

    value: float
    scores: Mapping[str, Score]


def weigh(scores: Mapping[str, Score], weights: Mapping[str, float]) -> Reward:
    """The reward of a completion from the scores of its rules; every rule that has a weight has a score."""
    return Reward(sum(weight * scores[name].value for name, weight in weights.items()), scores)


def score(rule: Rule, prompt: str, completion: str, answer: str | None) -> Score:
    """Run one rule on one completion; whatever it does comes back as a Score. MachineError where there is nothing to run it in."""
    try:
        value = rule.function(prompt, completion, answer)
    except MachineError:
        raise
    except Exception as error:  # a rule's failure is data, never a crash of the run
        return Score(rule.fallback, _message(error))
    return check(rule, value)


def not_run(rule: Bounded) -> Score:
    """The Score of a completion that the rule was never run on."""
    return Score(rule.fallback, NOT_RUN)


def check(rule: Bounded, value: object) -> Score:
    """A finite int, float or bool within the rule's bounds is a score; everything else is an error with the fallback."""
    if not isinstance(value, (bool, int, float)):
        return Score(rule.fallback, f"gave {type(value).__name__}, not a number")
    try:
        number = float(value)
    except OverflowError:
        return Score(rule.fallback, "gave an integer too large for a score")
    if not math.isfinite(number):
        return Score(rule.fallback, f"gave {number}, not a finite number")
    if not rule.low <= number <= rule.high:
        return Score(rule.fallback, f"gave {number:g}, outside its bounds {rule.low:g} to {rule.high:g}")
    return Score(number)


def _message(error: Exception) -> str:
    """``Type: message`` on one line, cut, and without lone surrogates that JSON could not carry."""
    text = f"{type(error).__name__}: {error}".replace("\n", " ")[:LONGEST_MESSAGE]
    return text.encode("utf-8", "replace").decode("utf-8")
