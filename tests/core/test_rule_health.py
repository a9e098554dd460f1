"""A rule that fails everywhere, three batches in a row, stops the run; anything less does not."""

from __future__ import annotations

import pytest

from lab.core.rule_health import RuleHealth
from lab.core.rules import Reward, Score
from lab.errors import RuleError

WELL, ILL = Score(1.0), Score(0.0, "ValueError: no")


def batch(**scores: list[Score]) -> list[Reward]:
    names = list(scores)
    return [Reward(0.0, dict(zip(names, row, strict=True))) for row in zip(*scores.values(), strict=True)]


def test_three_batches_in_a_row_stop_the_run() -> None:
    broken = batch(good=[WELL, WELL], bad=[ILL, ILL])
    health = RuleHealth().after(broken).after(broken)
    assert health.failed == {"bad": 2}
    with pytest.raises(RuleError) as caught:
        health.after(broken)
    assert caught.value.key == "rule_always_fails"
    assert caught.value.params == {"rule": "bad", "batches": 3, "why": "ValueError: no"}


def test_one_score_starts_the_count_again() -> None:
    broken, partly = batch(bad=[ILL, ILL]), batch(bad=[ILL, WELL])
    health = RuleHealth().after(broken).after(broken).after(partly)
    assert health.failed == {}
    health.after(broken).after(broken)


def test_an_empty_batch_says_nothing() -> None:
    health = RuleHealth().after(batch(bad=[ILL]))
    assert health.after([]) == health
    assert RuleHealth().failed == {}
