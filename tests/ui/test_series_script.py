"""Which charts a run gets, and in which order (``live_curves/series.js``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.ui.scripts import load_scripts

pytestmark = pytest.mark.browser
CHARTS = {"first": ["reward", "kl", "never_written"], "second": ["loss", "accuracy"]}


@pytest.fixture(scope="module")
def page(judging_browser: Browser) -> Iterator[Page]:
    opened = judging_browser.new_page()
    load_scripts(opened, "live_curves", "series.js", charts=CHARTS)
    yield opened
    opened.close()


def names(page: Page, algorithm: str, *metrics: str) -> list[str]:
    line: dict[str, Any] = {"step": 1, **dict.fromkeys(metrics, 0.5)}
    script = "([algorithm, line]) => { const metrics = new Metrics(); metrics.add([line]); return chartNames(algorithm, metrics); }"
    order: list[str] = page.evaluate(script, [algorithm, line])
    return order


def test_the_algorithms_charts_come_first_and_the_machines_last(page: Page) -> None:
    assert names(page, "second", "zeta", "loss", "accuracy", "grad_norm") == ["loss", "accuracy", "grad_norm", "zeta"]


def test_the_parts_of_a_reward_stand_beside_it(page: Page) -> None:
    assert names(page, "first", "kl", "rule/b", "rule/a", "reward") == ["reward", "rule/a", "rule/b", "kl"]


def test_an_algorithm_without_charts_shows_what_was_written(page: Page) -> None:
    assert names(page, "third", "zeta", "alpha") == ["alpha", "zeta"]
