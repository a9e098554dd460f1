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


HEBREW = "כמה זה 12 × (3 + 4)?"
MIXED = "Two answers.\n\nהתשובה היא 84, כי 12 × 7 = 84.\nAnd a line in English."


def start_side(node: Locator) -> str:
    """Where the first character of an element is drawn: at its left or its right."""
    return node.evaluate(
        """(node) => {
            const text = document.createTreeWalker(node, NodeFilter.SHOW_TEXT).nextNode();
            const range = document.createRange();
            range.setStart(text, 0);
            range.setEnd(text, 1);
            const [box, own] = [range.getBoundingClientRect(), node.getBoundingClientRect()];
            return box.left - own.left < own.right - box.right ? "left" : "right";
        }"""
    )


def test_every_paragraph_has_its_own_direction(judge: Judge) -> None:
    page = judge([{"prompt": HEBREW, "first": MIXED, "second": MIXED.replace("84", "85")}])
    assert start_side(page.get_by_test_id("prompt-text").locator("p")) == "right"
    for side in "ab":
        paragraphs = page.get_by_test_id(f"response-{side}").locator("p")
        assert paragraphs.evaluate_all("(all) => all.map((one) => getComputedStyle(one).direction)") == ["ltr", "rtl"]
        assert [start_side(paragraphs.nth(place)) for place in (0, 1)] == ["left", "right"]
        text = page.get_by_test_id(f"response-{side}").evaluate("(node) => [node.textContent, node.innerText]")
        assert text in ([MIXED, MIXED], [MIXED.replace("84", "85")] * 2), "what is copied is what was written"


def test_differences_are_marked_within_right_to_left_text(judge: Judge) -> None:
    page = judge([{"prompt": HEBREW, "first": "התשובה היא 84.", "second": "התשובה היא 85."}])
    page.keyboard.press("d")
    marks = page.locator("[data-testid^=response-] mark")
    assert sorted(marks.all_inner_texts()) == ["84", "85"]
    assert start_side(page.get_by_test_id("response-a").locator("p")) == "right"


def conversation(turns: int) -> list[dict[str, str]]:
    said = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"Turn {turn}. " + "Some more of it. " * 30}
        for turn in range(turns)
    ]
    return [*said, {"role": "user", "content": "And what is the question?"}]


@pytest.mark.parametrize("width", [1440, 390])
def test_a_long_conversation_opens_at_its_last_turn(judge: Judge, width: int) -> None:
    page = judge([{"prompt": conversation(8), "first": "One.", "second": "Two."}], width=width)
    visible = """(turn) => {
        const [box, place] = [turn.getBoundingClientRect(), turn.closest(".prompt").getBoundingClientRect()];
        return box.top >= place.top - 1 && box.top < place.bottom - 10;
    }"""
    turns = page.locator(".turn")
    assert turns.last.evaluate(visible) and not turns.first.evaluate(visible)
    page.get_by_test_id("earlier-turns").click()
    assert turns.first.evaluate(visible) and not turns.last.evaluate(visible)
    expect(page.get_by_test_id("earlier-turns")).to_have_text("↓ Last turn")
    page.get_by_test_id("earlier-turns").click()
    assert turns.last.evaluate(visible)


def test_a_short_conversation_has_nothing_above_it(judge: Judge) -> None:
    page = judge([{"prompt": conversation(0), "first": "One.", "second": "Two."}])
    expect(page.get_by_test_id("earlier-turns")).to_be_hidden()
