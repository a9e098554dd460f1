"""Newcombe's interval of the difference of two shares, held against the paper's own figures."""

from __future__ import annotations

import pytest

from lab.core.intervals import share_difference


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_the_papers_figures(a: int, n: int, b: int, m: int, low: float, high: float) -> None:
    difference, got_low, got_high = share_difference(a, n, b, m)
    assert difference == pytest.approx(a / n - b / m)
    assert (got_low, got_high) == pytest.approx((low, high), abs=6e-5)


def test_of_nothing_it_is_unbounded() -> None:
    assert share_difference(0, 0, 1, 2) == (0.0, -1.0, 1.0)
