"""A rule that fails everywhere stops the run: a value that counts, batch by batch, and says when it is enough.

One failure is data (see ``rules.py``); a rule that fails on every completion of several batches in a row teaches nothing but its
fallback. Who runs the rules calls ``after`` with the rewards of each batch and keeps what it gives back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.core.rules import Reward, Score
from lab.errors import RuleError

BATCHES = 3
"""Batches in a row on which a rule may fail altogether before the run stops."""


@dataclass(frozen=True)
class RuleHealth:
    """How many batches in a row each rule has failed on altogether; rules that are well do not stand in it."""

    failed: Mapping[str, int] = field(default_factory=dict)

    def after(self, rewards: Sequence[Reward]) -> RuleHealth:
        """The same after one more batch. Raises RuleError where a rule has failed altogether BATCHES times in a row."""
        failed: dict[str, int] = {}
        for name, why in _broken(rewards).items():
            failed[name] = self.failed.get(name, 0) + 1
            if failed[name] >= BATCHES:
                raise RuleError("rule_always_fails", rule=name, batches=failed[name], why=why)
        return RuleHealth(failed) if rewards else self


def _broken(rewards: Sequence[Reward]) -> dict[str, str]:
    """The rules that failed on every completion of a batch, with the last message of each."""
    last: dict[str, Score] = {}
    well: set[str] = set()
    for reward in rewards:
        for name, score in reward.scores.items():
            last[name] = score
            if score.error is None:
                well.add(name)
    return {name: score.error or "" for name, score in last.items() if name not in well}
