"""A counted share and its interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.shares import Share

Z95 = 1.959964
"""The normal distribution's 97.5 % point: an interval of 95 %."""


@pytest.mark.parametrize(("count", "of"), [(1, 10), (10, 20), (61, 100), (0.5, 3), (499, 500)])
def test_the_ends_are_where_the_score_test_just_refuses(count: float, of: int) -> None:
    """Wilson's definition: |p̂ − p| = z √(p (1 − p) / n) at both ends."""
    share = Share(count, of)
    for p in share.interval:
        assert (share.share - p) ** 2 == pytest.approx(Z95**2 * p * (1 - p) / of)


def test_none_and_all_leave_room() -> None:
    assert Share(0, 10).interval == pytest.approx((0.0, Z95**2 / (10 + Z95**2)))
    assert Share(10, 10).interval == pytest.approx((10 / (10 + Z95**2), 1.0))


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share(count: int, more: int) -> None:
    share = Share(count, count + more)
    low, high = share.interval
    assert 0 <= low <= share.share <= high <= 1
    wider = Share(4 * count, 4 * (count + more))
    assert wider.interval[1] - wider.interval[0] < high - low


def test_of_nothing_nothing_is_known() -> None:
    assert Share(0, 0).as_json() == {"share": 0.0, "low": 0.0, "high": 1.0, "count": 0, "of": 0}
