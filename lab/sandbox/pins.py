"""A rule's own tests: the scores that were pinned beside completions, compared with what the rule says now."""

from __future__ import annotations

from dataclasses import dataclass

from lab.core.rule_sets import Pin, RuleEntry
from lab.core.rules import Score
from lab.sandbox.rewards import scores_of, weighed

CLOSE = 1e-6
"""A score this near to the expected one is the expected one."""


@dataclass(frozen=True)
class PinResult:
    """One test: what was expected, what came, and whether it is the same. An error is never what was expected."""

    pin: Pin
    score: Score
    passed: bool


def run_pins(entry: RuleEntry) -> list[PinResult]:
    """Every pin of a rule, in order. RuleError where there is no such rule; whatever the rule does is a result."""
    (one,) = weighed([entry])
    scores = scores_of(one.rule, [(pin.prompt, pin.completion, pin.answer) for pin in entry.pins])
    return [
        PinResult(pin, score, score.error is None and abs(score.value - pin.expected) <= CLOSE)
        for pin, score in zip(entry.pins, scores, strict=True)
    ]
