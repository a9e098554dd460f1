"""Bradley–Terry strengths of sources, from which of two people chose."""

from __future__ import annotations

import math

import pytest

from lab.annotation.strengths import strengths
from lab.core.comparison import Comparison


def test_two_sources_have_the_log_odds_of_their_wins():
    first, second = strengths([Comparison("a", "b", 60, 20, 5)])
    assert (first.source, first.wins, first.decided) == ("a", 60, 80)
    assert first.value - second.value == pytest.approx(math.log(3), abs=0.02)
    error = 1 / math.sqrt(80 * 0.75 * 0.25)  # of the difference; θ is half of it on either side
    assert first.high - first.value == pytest.approx(1.96 * error / 2, rel=0.03)


def test_three_sources_are_ranked_and_sum_to_zero():
    found = strengths(
        [Comparison("a", "b", 30, 10, 0), Comparison("b", "c", 30, 10, 0), Comparison("a", "c", 36, 4, 0)]
    )
    assert [each.source for each in found] == ["a", "b", "c"]
    assert sum(each.value for each in found) == pytest.approx(0, abs=1e-9)


def test_one_vote_leaves_everything_open_and_none_says_nothing():
    (first, _) = strengths([Comparison("a", "b", 1, 0, 0)])
    assert math.isfinite(first.value) and first.low < 0 < first.high
    assert strengths([Comparison("a", "b", 0, 0, 3)]) == []
