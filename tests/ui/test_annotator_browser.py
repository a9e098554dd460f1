"""The annotator on the judging page, in a real browser over the real routes: hands and scripts from everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
Judge = Callable[..., Page]


def rows(count: int = 3) -> list[dict[str, str]]:
    return [{"prompt": f"Question {n}", "first": f"Answer {n}.", "second": f"Another {n}!"} for n in range(count)]


def press(target: Locator, **event: Any) -> None:
    """A key press with everything that a keyboard says of it, which Playwright's own cannot."""
    target.evaluate(
        "(node, event) => node.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, cancelable: true, composed: true, ...event }))",
        event,
    )


def pair(page: Page) -> str:
    return str(page.get_by_test_id("annotator").get_attribute("data-pair"))


def test_the_enter_of_an_input_method_leaves_the_reason_field_alone(judge: Judge) -> None:
    page = judge(rows(), settings={"reason": True})
    before = pair(page)
    reason = page.get_by_test_id("reason")
    reason.fill("不")
    press(reason, key="Enter", code="Enter", keyCode=229)
    expect(reason).to_be_focused()
    page.keyboard.type("bsu")
    expect(reason).to_have_value("不bsu")
    assert pair(page) == before
    press(reason, key="Enter", code="Enter", keyCode=13)
    expect(reason).not_to_be_focused()


def test_a_press_that_an_input_method_takes_judges_nothing_anywhere(judge: Judge) -> None:
    page = judge(rows())
    before = pair(page)
    for key in ({"key": "Process", "code": "KeyB"}, {"key": "b", "code": "KeyB"}, {"key": "1", "code": "Digit1"}):
        press(page.locator("body"), keyCode=229, **key)
    assert pair(page) == before


def test_an_edit_is_not_given_up_or_saved_by_an_input_method(judge: Judge) -> None:
    page = judge(rows())
    before = pair(page)
    page.keyboard.press("e")
    page.keyboard.press("1")
    text = page.get_by_test_id("edit-text")
    text.fill("更好的回答")
    press(text, key="Escape", code="Escape", keyCode=229)
    press(text, key="Enter", code="Enter", ctrlKey=True, keyCode=229)
    expect(text).to_have_value("更好的回答")
    assert pair(page) == before


def test_digits_judge_on_every_keyboard(judge: Judge) -> None:
    keyboards = [("&", "Digit1"), ("ๅ", "Digit1"), ("1", "Numpad1"), ("à", "Digit0"), ("ě", "Digit2")]
    page = judge(rows(len(keyboards) + 1))
    for key, code in keyboards:
        before = pair(page)
        press(page.locator("body"), key=key, code=code)
        expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", before)


def test_strength_is_told_by_place_too(judge: Judge) -> None:
    page = judge(rows(), settings={"strength": True})
    before = pair(page)
    press(page.locator("body"), key="&", code="Digit1")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-mode", "strength")
    press(page.locator("body"), key='"', code="Digit3")
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", before)
