"""A rule set as it is kept and shared: its rules with their weights, and beside each the scores that it is expected to give.

Not here: versions and files (``lab/store``), how rules run (``lab/sandbox``).
"""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes.fields import Strict
from lab.core.recipes.sampling import RuleUse

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
        return RuleUse.model_validate({key: value for key, value in self.model_dump().items() if key != "pins"})


class RuleSet(Strict):
    """Rules with weights, no name twice."""

    rules: tuple[RuleEntry, ...] = Field(min_length=1, max_length=MOST_RULES)

    @model_validator(mode="after")
    def _once_each(self) -> RuleSet:
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise PydanticCustomError("recipe_rule_twice", "a rule stands twice", {"rules": ", ".join(names)})
        return self

    def uses(self) -> tuple[RuleUse, ...]:
        """The rules as a recipe holds them."""
        return tuple(rule.use() for rule in self.rules)
