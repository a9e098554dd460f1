"""Groups: mean, spread, advantages, thresholds; checked against the formulas written out in plain Python."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.groups import (
    NO_SPREAD,
    Estimator,
    ThresholdKind,
    WhyDropped,
    make_group,
    tie_at_cut,
    top_count,
    top_indices,
)

rewards = st.lists(st.floats(-100, 100, allow_nan=False, width=32), min_size=1, max_size=16)
coarse = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=2, max_size=12)
fractions = st.floats(0.01, 1.0)


@given(rewards, st.sampled_from(Estimator))
def test_mean_std_and_advantages_follow_the_formula(values, estimator):
    group = make_group(values, estimator=estimator)
    mean = math.fsum(values) / len(values)
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    assert group.mean == pytest.approx(mean, abs=1e-9)
    assert group.std == pytest.approx(std, rel=1e-9, abs=1e-9)
    for index, (value, advantage) in enumerate(zip(values, group.advantages, strict=True)):
        others = values[:index] + values[index + 1 :]
        expected = {
            Estimator.GROUP_SCALED: (value - mean) / (std + 1e-4),
            Estimator.UNSCALED: value - mean,
            Estimator.LEAVE_ONE_OUT: value - math.fsum(others) / len(others) if others else 0.0,
        }[estimator]
        assert advantage == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(rewards)
def test_all_keeps_every_completion_of_a_group_with_spread(values):
    group = make_group(values, ThresholdKind.ALL)
    if group.std >= NO_SPREAD:
        assert all(group.kept)
    else:
        assert set(group.why_dropped) == {WhyDropped.NO_SPREAD}


@given(coarse)
def test_above_mean_is_strict(values):
    group = make_group(values, ThresholdKind.ABOVE_MEAN)
    for value, kept, why in zip(values, group.kept, group.why_dropped, strict=True):
        if group.std < NO_SPREAD:
            assert why is WhyDropped.NO_SPREAD
        else:
            assert kept == (value > group.mean)
            assert why is (None if kept else WhyDropped.BELOW_MEAN)


@given(coarse, fractions)
def test_top_fraction_keeps_exactly_the_best_and_ties_go_to_the_lower_index(values, fraction):
    group = make_group(values, ThresholdKind.TOP_FRACTION, fraction)
    if group.std < NO_SPREAD:
        assert not any(group.kept)
        return
    count = max(1, math.ceil(fraction * len(values) - 1e-9))
    best = sorted(range(len(values)), key=lambda i: (-values[i], i))[:count]
    assert {i for i, kept in enumerate(group.kept) if kept} == set(best)


@pytest.mark.parametrize(
    ("size", "fraction", "count"),
    [(10, 0.3, 3), (10, 0.7, 7), (5, 0.2, 1), (8, 0.01, 1), (8, 1.0, 8), (3, 0.34, 2), (25, 0.28, 7), (50, 0.14, 7)],
)
def test_top_count_is_not_fooled_by_floating_point(size, fraction, count):
    assert top_count(size, fraction) == count


@given(st.integers(1, 64), st.integers(1, 100))
def test_top_count_equals_the_exact_ceiling(size, percent):
    assert top_count(size, percent / 100) == max(1, math.ceil(Fraction(percent, 100) * size))


def test_a_tie_at_the_cut_is_told():
    assert tie_at_cut([3, 2.5, 3, 0, 3], 0.2)
    assert not tie_at_cut([3, 2.5, 2, 0, 1], 0.2)
    assert not tie_at_cut([1, 1, 1], 1.0)


def test_equal_rewards_with_rounding_noise_have_no_spread():
    value = 0.1 + 0.2
    group = make_group([value, 0.3, value, 0.3], ThresholdKind.ABOVE_MEAN)
    assert 0 < group.std < NO_SPREAD
    assert set(group.why_dropped) == {WhyDropped.NO_SPREAD}, "and not for being below their mean"


def test_no_spread_can_be_kept_in_as_stock_grpo_does():
    group = make_group([1.0, 1.0, 1.0], skip_no_spread=False)
    assert all(group.kept)
    assert group.advantages == (0.0, 0.0, 0.0)


def test_an_unscored_completion_is_left_out_of_mean_and_spread():
    group = make_group([1.0, math.nan, 3.0, math.inf], ThresholdKind.ABOVE_MEAN)
    assert group.mean == 2.0
    assert group.std == pytest.approx(math.sqrt(2))
    assert group.why_dropped == (WhyDropped.BELOW_MEAN, WhyDropped.UNSCORED, None, WhyDropped.UNSCORED)
    assert group.advantages[1] == 0.0
    assert top_indices([1.0, math.nan, 3.0], 1.0) == (2, 0)


def test_leave_one_out_compares_with_the_other_scored_ones_alone():
    group = make_group([1.0, math.nan, 4.0, 7.0], estimator=Estimator.LEAVE_ONE_OUT)
    assert group.advantages == pytest.approx((1.0 - 5.5, 0.0, 0.0, 7.0 - 2.5))
    alone = make_group([math.nan, 3.0], estimator=Estimator.LEAVE_ONE_OUT, skip_no_spread=False)
    assert alone.advantages == (0.0, 0.0) and alone.kept == (False, True)


def test_a_group_that_nobody_could_score_is_empty_and_not_silent():
    group = make_group([math.nan, math.inf, -math.inf], skip_no_spread=False)
    assert (group.mean, group.std, group.advantages) == (0.0, 0.0, (0.0, 0.0, 0.0))
    assert set(group.why_dropped) == {WhyDropped.UNSCORED} and not group.has_spread


def test_unscored_completions_take_no_place_of_the_best_and_make_no_tie():
    group = make_group([math.nan, 2.0, 1.0, 1.0], ThresholdKind.TOP_FRACTION, 0.5)
    assert group.kept == (False, True, True, False)
    assert group.why_dropped[0] is WhyDropped.UNSCORED and group.why_dropped[3] is WhyDropped.NOT_IN_TOP
    assert tie_at_cut([math.nan, 2.0, 1.0, 1.0], 0.5) and not tie_at_cut([math.nan, 2.0, 1.0, math.nan], 0.5)


def test_scaling_adds_its_small_number_to_the_deviation():
    assert make_group([0.0, 2e-4]).advantages[1] == pytest.approx(1e-4 / (math.sqrt(2) * 1e-4 + 1e-4))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, math.nan])
def test_a_fraction_outside_its_bounds_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        make_group([1.0, 2.0], ThresholdKind.TOP_FRACTION, fraction)


def test_an_empty_group_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        make_group([])
