"""What the page says of a group under a threshold (``group_inspector/threshold.js``), beyond who is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.ui.scripts import load_scripts

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(judging_browser: Browser) -> Iterator[Page]:
    made = judging_browser.new_page()
    load_scripts(made, "group_inspector", "threshold.js")
    yield made
    made.close()


def judged(page: Page, rewards: list[float | None], asked: dict[str, Any], **line: Any) -> dict[str, Any]:
    known = [reward for reward in rewards if reward is not None]
    mean = sum(known) / len(known)
    std = (sum((reward - mean) ** 2 for reward in known) / max(1, len(known) - 1)) ** 0.5
    completions = [{"reward": reward, "kept": True, "why_dropped": None} for reward in rewards]
    whole = {
        "mean": mean,
        "std": std,
        "threshold": {"kind": "all", "fraction": 1.0},
        "completions": completions,
        **line,
    }
    return page.evaluate("([line, threshold]) => judge(line, threshold)", [whole, asked])


def top(fraction: float) -> dict[str, Any]:
    return {"kind": "top_fraction", "fraction": fraction}


def test_kept_at_the_mean_is_not_kept_below_it(page: Page) -> None:
    """Three of 0, 1, 2 are kept at T = 100 %: 0 stands below the mean, 1 stands on it."""
    assert judged(page, [0.0, 1.0, 2.0], top(1.0))["below"] == 1
    assert judged(page, [1.0, 1.0, 4.0, 0.0, -1.0], top(0.6))["below"] == 0
    assert judged(page, [0.0, 1.0, 2.0], {"kind": "above_mean"})["below"] == 0


def test_a_reward_at_the_mean_is_dropped_by_the_hard_threshold(page: Page) -> None:
    assert judged(page, [0.0, 1.0, 2.0], {"kind": "above_mean"})["why"] == ["below_mean", "below_mean", None]


def test_a_tie_across_the_cut_names_all_that_tie(page: Page) -> None:
    assert judged(page, [2.0, 1.0, 1.0, 1.0, 0.0], top(0.4))["tie"] == [1, 2, 3]
    assert judged(page, [2.0, 1.0, 0.0], top(0.34))["tie"] == []
    assert judged(page, [2.0, 1.0, 1.0], {"kind": "above_mean"})["tie"] == []


def test_three_tenths_of_ten_are_three(page: Page) -> None:
    assert judged(page, [float(n) for n in range(10)], top(0.3))["kept"] == 3
    assert judged(page, [float(n) for n in range(25)], top(0.28))["kept"] == 7


def test_unscored_goes_before_no_spread_before_the_threshold(page: Page) -> None:
    assert judged(page, [1.0, None, 1.0], {"kind": "above_mean"})["why"] == ["no_spread", "unscored", "no_spread"]
    assert judged(page, [None, 1.0, 2.0], top(0.1))["why"] == ["unscored", "not_in_top", None]


def test_as_trained_is_read_and_not_worked_out_again(page: Page) -> None:
    completions = [
        {"reward": 1.0, "kept": False, "why_dropped": "below_mean"},
        {"reward": 0.0, "kept": True, "why_dropped": None},
        {"reward": 2.0, "kept": False, "why_dropped": None},
    ]
    verdict = judged(
        page, [1.0, 0.0, 2.0], top(0.5), threshold={"kind": "top_fraction", "fraction": 0.5}, completions=completions
    )
    assert (verdict["trained"], verdict["why"]) == (True, ["below_mean", None, "unscored"])
    other = judged(page, [1.0, 0.0, 2.0], top(0.5), threshold=top(0.51), completions=completions)
    assert (other["trained"], other["kept"]) == (False, 2)
