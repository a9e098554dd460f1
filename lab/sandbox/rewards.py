"""A rule set of ready-made and written rules, scored a batch at a time. For one completion at a time, and ready-made rules only,
``lab.core.rules.RuleSet`` is enough; what a reward *is* stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.core.rules import Reward, Rule, Score, score
from lab.sandbox.written import Row, WrittenRule, score_batch


@dataclass(frozen=True)
class Weighed:
    """A rule of either kind, and its weight."""

    rule: Rule | WrittenRule
    weight: float = 1.0


def scores_of(rule: Rule | WrittenRule, rows: Sequence[Row]) -> list[Score]:
    """One score a row."""
    return score_batch(rule, rows) if isinstance(rule, WrittenRule) else [score(rule, *row) for row in rows]


def reward_batch(rules: Sequence[Weighed], rows: Sequence[Row]) -> list[Reward]:
    """One reward a row: the weighted sum of its rules' scores, each kept beside it by name."""
    columns = {weighed.rule.name: scores_of(weighed.rule, rows) for weighed in rules}
    return [
        Reward(
            sum(weighed.weight * columns[weighed.rule.name][number].value for weighed in rules),
            {name: column[number] for name, column in columns.items()},
        )
        for number in range(len(rows))
    ]
