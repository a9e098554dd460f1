"""A rule set as it is kept and shared: its rules with their weights, and beside each the scores that it is expected to give.

Not here: versions and files (``lab/store``), how rules run (``lab/sandbox``).
"""

from __future__ import annotations

from pydantic import Field, model_validator

from lab.core.recipes.fields import Strict
from lab.core.recipes.sampling import RuleUse, check_each_once

MOST_RULES, MOST_PINS = 32, 100


class Pin(Strict):
    """What a rule is expected to score one completion: one of the rule's own tests."""

    prompt: str = Field("", max_length=100_000)
    completion: str = Field(max_length=100_000)
    answer: str | None = Field(None, max_length=100_000)
    expected: float


class RuleEntry(RuleUse):
    """A rule of a rule set, with its pins."""

    pins: tuple[Pin, ...] = Field((), max_length=MOST_PINS)

    def use(self) -> RuleUse:
        """The same as a recipe holds it: without the pins."""
        return RuleUse.model_validate(self.model_dump(exclude={"pins"}))


class RuleSet(Strict):
    """Rules with weights, no name twice."""

    rules: tuple[RuleEntry, ...] = Field(min_length=1, max_length=MOST_RULES)

    @model_validator(mode="after")
    def _once_each(self) -> RuleSet:
        check_each_once(self.rules)
        return self

    def uses(self) -> tuple[RuleUse, ...]:
        """The rules as a recipe holds them."""
        return tuple(rule.use() for rule in self.rules)
