"""What the browser makes of a stored completion is what the core does; and nothing of a token's text is invisible."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from lab.core.token_credit import TokenCredit, token_credits

pytestmark = pytest.mark.browser

SOURCE = Path(__file__).parents[2] / "lab" / "ui" / "components" / "group_inspector" / "credit.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page()
        browser.close()


def answered(page: Page, expression: str, cases: list[Any]) -> list[Any]:
    """The expression of each case, which it finds as ``it``, beside the script's functions."""
    call = "([source, expression, cases]) => cases.map(Function('it', source + ';return ' + expression))"
    found: list[Any] = page.evaluate(call, [SOURCE.read_text(encoding="utf-8"), expression, cases])
    return found


def numbers(credit: TokenCredit) -> list[float | None]:
    return [credit.value, credit.advantage, credit.estimate, credit.delta, credit.reward]


def test_the_browsers_numbers_are_those_of_the_core(page: Page) -> None:
    chance = random.Random(5)
    cases: list[dict[str, Any]] = []
    for _ in range(200):
        count = chance.randint(0, 12)
        completion = {name: [chance.gauss(0, 1) for _ in range(count)] for name in ("values", "token_advantages")}
        if chance.random() < 0.5:
            completion["token_rewards"] = [chance.gauss(0, 1) for _ in range(count)]
        whitening = None if chance.random() < 0.2 else {"mean": chance.gauss(0, 1), "std": chance.random() + 0.1}
        cases.append({"of": [completion, whitening, chance.choice([1.0, 0.9]), chance.choice([0.0, 0.95, 1.0])]})
    expression = (
        "tokenCredits(...it.of).map(c => [c.value, c.advantage, c.estimate ?? null, c.delta ?? null, c.reward ?? null])"
    )
    found = answered(page, expression, cases)
    for case, credits in zip(cases, found, strict=True):
        expected = [numbers(credit) for credit in token_credits(*case["of"])]
        for ours, theirs in zip(credits, expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-9)


def test_what_came_is_the_discounted_sum_of_the_rewards_that_follow(page: Page) -> None:
    completion = {"values": [0.0, 0.0, 0.0], "token_advantages": [1.0, 2.0, 4.0]}  # V = 0, λ = 0: r = GAE
    [came] = answered(page, "tokenCredits(...it).map(c => c.came)", [[completion, {"mean": 0.0, "std": 1.0}, 0.5, 0.0]])
    assert came == pytest.approx([1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4])


def test_what_came_of_rewards_that_the_line_tells(page: Page) -> None:
    completion = {"values": [9.0, 9.0], "token_advantages": [0.0, 0.0], "token_rewards": [-1.0, 3.0]}
    [came] = answered(page, "tokenCredits(...it).map(c => c.came)", [[completion, None, 0.5, 0.95]])
    assert came == pytest.approx([-1 + 0.5 * 3, 3])


def test_every_token_can_be_seen(page: Page) -> None:
    pieces = [" x", "\n", "", "\x1e\t", "你", {"special": "<|end|>"}]
    assert answered(page, "visibleToken(it)", pieces) == ["␣x", "⏎", "◌", "␞␉", "你", "<|end|>"]
