"""Intervals against published tables, and against scipy where it is at hand."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.intervals import mean_t_interval, paired_difference, t_quantile, wilson


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423), (120, 1.9799)],
)
def test_t_quantiles_are_those_of_the_printed_table(degrees, expected):
    assert t_quantile(degrees) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (1, 1, 0.2065, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_wilson_equals_newcombe_1998(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


def test_nothing_counted_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(counted):
    successes, n = counted
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1


@pytest.mark.parametrize(("successes", "n"), [(2, 1), (-1, 5), (0, -1)])
def test_no_share_is_refused(successes, n):
    with pytest.raises(ValueError):
        wilson(successes, n)


def test_a_paired_difference_by_hand():
    difference = paired_difference([0.9, 0.8, 0.85], [0.7, 0.7, 0.7])  # differences .20 .10 .15: sd .05
    assert difference.mean == pytest.approx(0.15)
    assert difference.half == pytest.approx(4.3027 * 0.05 / math.sqrt(3), abs=1e-5)
    assert difference.excludes_zero


def test_one_seed_supports_no_difference():
    difference = paired_difference([0.9], [0.1])
    assert difference.n == 1 and not difference.excludes_zero and math.isinf(difference.half)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    chance = random.Random(3)
    held = [mean_t_interval([chance.gauss(1, 2) for _ in range(4)]) for _ in range(4000)]
    assert statistics.fmean(interval.low <= 1 <= interval.high for interval in held) == pytest.approx(0.95, abs=0.012)


def test_unequal_and_empty_lists_are_refused():
    with pytest.raises(ValueError):
        paired_difference([1.0], [])
    with pytest.raises(ValueError):
        mean_t_interval([])
