"""Counts the batches on which a rule fails on every completion, and stops the run after ``BATCHES`` in a row.

A single failure is recorded (``rules.py``). A rule that always fails would train the policy on its fallback score. The trainer
calls ``after`` with the rewards of each batch and keeps the returned value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.core.rules import Reward, Score
from lab.errors import RuleError

BATCHES = 3
"""Batches in a row on which a rule may fail on every completion before the run stops."""


@dataclass(frozen=True)
class RuleHealth:
    """For each failing rule, the number of batches in a row on which it failed on every completion; working rules are absent."""

    failed: Mapping[str, int] = field(default_factory=dict)

    def after(self, rewards: Sequence[Reward]) -> RuleHealth:
        """The counts after one more batch. Raises RuleError where a rule has failed on BATCHES whole batches in a row."""
        failed: dict[str, int] = {}
        for name, why in _broken(rewards).items():
            failed[name] = self.failed.get(name, 0) + 1
            if failed[name] >= BATCHES:
                raise RuleError("rule_always_fails", rule=name, batches=failed[name], why=why)
        return RuleHealth(failed) if rewards else self


def _broken(rewards: Sequence[Reward]) -> dict[str, str]:
    """The rules that failed on every completion of a batch, with the last message of each."""
    last: dict[str, Score] = {}
    working: set[str] = set()
    for reward in rewards:
        for name, score in reward.scores.items():
            last[name] = score
            if score.error is None:
                working.add(name)
    return {name: score.error or "" for name, score in last.items() if name not in working}
