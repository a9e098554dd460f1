"""Judging with a thumb: real touches in a real browser choose by a swipe, and by nothing that only looks like one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from lab.annotation.collections import Annotation
from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import CollectionSettings
from lab.core.preferences import Choice
from tests.e2e.conftest import SLOW, RunningLab, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ENVIRONMENT = {"LAB_OPEN": "annotate"}
WIDTH, HEIGHT = 390, 844
FRAME = 1 / 60
FAR = 140  # pixels; further than it takes
LONG = "这是一个很长的回答。It goes on and on, and nobody reads to its end.\n" * 60


@dataclass
class Phone:
    """A page under a finger."""

    page: Page
    session: CDPSession
    clock: float = 0.0

    def finger(self, kind: str, *points: tuple[float, float]) -> None:
        """A touch event; one follows the other as those of a screen do, however long the machine takes to send them."""
        self.clock = time.time() if kind == "Start" else self.clock + FRAME
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        event = {"type": f"touch{kind}", "touchPoints": touches, "timestamp": self.clock}
        self.session.send("Input.dispatchTouchEvent", event)

    def down(self, side: str = "b") -> tuple[float, float]:
        """Put a finger on the middle of an answer; where."""
        box = self.page.get_by_test_id(f"response-{side}").bounding_box()
        assert box
        at = (box["x"] + box["width"] / 2, box["y"] + min(box["height"], 200) / 2)
        self.finger("Start", at)
        return at

    def swipe(
        self, across: float, along: float = 0, *, steps: int = 8, back: float | None = None, side: str = "b"
    ) -> None:
        """Move a finger over an answer, lift it there, or after it went back to ``back``."""
        x, y = self.down(side)
        for step in range(1, steps + 1):
            self.finger("Move", (x + across * step / steps, y + along * step / steps))
        if back is not None:
            for step in range(1, steps + 1):
                self.finger("Move", (x + across + (back - across) * step / steps, y + along))
        self.finger("End")

    def press(self, name: str) -> None:
        """Press a button as a mouse does: right after a swipe the browser takes a tap for the end of a fling."""
        self.page.get_by_role("button", name=name).click()

    @property
    def pair(self) -> str:
        return str(self.page.get_by_test_id("annotator").get_attribute("data-pair"))

    def stays(self, pair: str) -> None:
        """The pair is still there, and nothing is left of a swipe."""
        self.page.wait_for_timeout(300)
        assert self.pair == pair
        expect(self.page.locator(".sign:visible, .toward, .swiping")).to_have_count(0)


@pytest.fixture
def phone(browser: Browser, lab: RunningLab, annotation: Annotation) -> Iterator[Callable[..., Phone]]:
    """A guest's phone before the first pair of a new collection; no page may have failed."""
    contexts, complaints = [], []

    def came(rows: list[dict[str, str]], *, settings: dict[str, Any] | None = None, **options: Any) -> Phone:
        made = annotation.import_rows(rows, name="thumbs", settings=CollectionSettings(gold_rate=0, **(settings or {})))
        usual = {
            "viewport": {"width": WIDTH, "height": HEIGHT},
            "has_touch": True,
            "is_mobile": True,
            "locale": "en-US",
        }
        context = browser.new_context(**{**usual, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{lab.url}/judge/{made.collection.id}")
        page.locator("#guest").fill("Mei")
        page.locator("#guest").press("Enter")
        page.get_by_test_id("choose-a").wait_for()
        return Phone(page, context.new_cdp_session(page))

    yield came
    for context in contexts:
        context.close()
    assert complaints == []


def rows(count: int, text: str = "Answer") -> list[dict[str, str]]:
    return [
        {"prompt": f"Question {n}", "first": f"{text} {n}.", "second": f"另一个 {text} {n}！"} for n in range(count)
    ]


def chosen(annotation: Annotation) -> dict[str, str]:
    """The chosen text of every pair that was judged in the newest collection."""
    collection = annotation.collections()[0].id
    pairs = {pair.id: pair for pair in annotation.pairs(collection)}
    with annotation.store.reading() as connection:
        judged = current_judgements(connection, collection)
    return {one.pair_id: pairs[one.pair_id].response(Choice(one.choice)).text for one in judged}


def test_left_prefers_a_and_right_prefers_b_wherever_the_finger_is(phone, annotation):
    one = phone(rows(6))
    annotator, wanted = one.page.get_by_test_id("annotator"), {}
    expect(annotator.locator(".hint")).to_have_text("Swipe left for A, right for B, or use the buttons.")
    for across, along, finger_on in ((-FAR, 0, "a"), (-FAR, 20, "b"), (FAR, 0, "a"), (FAR, -30, "b"), (FAR, 0, "b")):
        pair, side = one.pair, "a" if across < 0 else "b"
        wanted[pair] = one.page.get_by_test_id(f"response-{side}").text_content()
        one.swipe(across, along, side=finger_on)
        expect(annotator).not_to_have_attribute("data-pair", pair)
        expect(annotator.locator(".hint")).to_be_hidden()  # it has been learned
    expect(annotator).to_have_attribute("data-state", "saved")
    assert chosen(annotation) == wanted
    one.press("Undo")
    expect(annotator).to_have_attribute("data-pair", list(wanted)[-1])


def test_the_card_says_so_while_the_finger_moves_and_goes_back_with_it(phone, annotation):
    one = phone(rows(3), locale="zh-CN")
    pair, page = one.pair, one.page
    expect(page.locator(".hint")).to_have_text("向左滑选 A，向右滑选 B；也可以点按钮。")
    ground = page.get_by_test_id("response-b").evaluate("node => getComputedStyle(node).backgroundColor")
    x, y = one.down()
    one.finger("Move", (x + 40, y))
    sign = page.locator(".side-b .sign")
    expect(sign).to_have_text("B 更好")
    expect(sign).to_have_attribute("data-far", "false")
    expect(page.locator(".side-a .sign")).to_be_hidden()
    assert page.get_by_test_id("response-b").evaluate("node => getComputedStyle(node).backgroundColor") != ground
    assert page.locator(".cards").evaluate("node => getComputedStyle(node).transform") == "matrix(1, 0, 0, 1, 7, 0)"
    one.finger("Move", (x + FAR, y))
    expect(sign).to_have_attribute("data-far", "true")
    assert serious_findings(page, "[data-testid=annotator]") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    one.finger("Move", (x - FAR, y))
    expect(page.locator(".side-a .sign")).to_have_attribute("data-far", "true")
    expect(sign).to_be_hidden()
    one.finger("Move", (x - 20, y))
    expect(page.locator(".side-a .sign")).to_have_attribute("data-far", "false")
    one.finger("End")
    one.stays(pair)
    assert chosen(annotation) == {}


def test_what_is_no_swipe_chooses_nothing(phone, annotation):
    one = phone(rows(3, LONG))
    pair, page = one.pair, one.page
    one.swipe(40)
    one.stays(pair)
    one.swipe(FAR, back=15)
    one.stays(pair)
    answer = page.get_by_test_id("response-b")
    one.swipe(10, -150)
    one.stays(pair)
    assert answer.evaluate("node => node.scrollTop") > 50  # the finger scrolled, as it always does
    one.swipe(FAR * 0.9, -150)  # askew: a scroll that strays
    one.stays(pair)
    x, y = one.down()
    page.wait_for_timeout(600)  # a finger that rests marks text
    one.clock = time.time()
    for step in range(1, 9):
        one.finger("Move", (x + FAR * step / 8, y))
    one.finger("End")
    one.stays(pair)
    x, y = one.down()
    one.finger("Move", (x + FAR / 2, y))
    one.finger("Move", (x + FAR, y))
    one.finger("Cancel")  # a call comes in
    one.stays(pair)
    for edge in (4, 14):  # where the browser's own way back begins; beside the card, and on it
        one.finger("Start", (edge, y))
        for step in range(1, 9):
            one.finger("Move", (edge + FAR * step / 8, y))
        one.finger("End")
        one.stays(pair)
    assert chosen(annotation) == {}


def test_who_writes_or_magnifies_is_left_alone(phone, annotation):
    one = phone(rows(3, LONG))
    pair, page = one.pair, one.page
    page.locator(".side-a .card-head button").first.tap()
    expect(page.get_by_test_id("edit-text")).to_be_visible()
    one.swipe(FAR)
    page.wait_for_timeout(300)
    assert one.pair == pair
    expect(page.get_by_test_id("edit-text")).to_be_visible()
    one.press("Cancel")
    page.wait_for_timeout(300)
    x, y = one.down()  # a second finger magnifies
    one.finger("Start", (x, y), (x + 40, y + 40))
    for step in range(1, 5):
        one.finger("Move", (x - 30 * step, y), (x + 40 + 30 * step, y + 40))
    one.finger("End")
    one.stays(pair)
    assert page.evaluate("visualViewport.scale") > 1.2
    for across in (-FAR, FAR):  # now a finger moves the page
        one.finger("Start", (WIDTH / 2, HEIGHT / 2))
        for step in range(1, 9):
            one.finger("Move", (WIDTH / 2 + across * step / 8, HEIGHT / 2))
        one.finger("End")
        one.stays(pair)
    assert chosen(annotation) == {}


def test_a_swipe_asks_for_the_strength_where_that_is_wanted(phone, annotation):
    one = phone(rows(2), settings={"strength": True})
    pair, annotator = one.pair, one.page.get_by_test_id("annotator")
    one.swipe(-FAR)
    expect(annotator).to_have_attribute("data-mode", "strength")
    expect(annotator).to_contain_text("How much better is A?")
    one.swipe(FAR)  # or rather the other one
    expect(annotator).to_contain_text("How much better is B?")
    one.press("Clearly")
    expect(annotator).not_to_have_attribute("data-pair", pair)
    expect(annotator).to_have_attribute("data-state", "saved")
    assert list(chosen(annotation)) == [pair]


def test_nothing_moves_for_who_asked_for_less_motion(phone):
    one = phone(rows(2), reduced_motion="reduce")
    x, y = one.down()
    one.finger("Move", (x + 40, y))
    expect(one.page.locator(".side-b .sign")).to_be_visible()
    assert one.page.locator(".cards").evaluate("node => getComputedStyle(node).transform") == "none"
    one.finger("End")


@pytest.mark.parametrize(
    ("locale", "close", "told"), [("en-US", "Close", "swipe the responses"), ("zh-CN", "关闭", "向左滑选 A")]
)
def test_the_help_says_how_and_a_mouse_still_marks_text(phone, annotation, locale, close, told):
    one = phone(rows(2), locale=locale)
    one.page.get_by_test_id("help").tap()
    expect(one.page.get_by_test_id("keys")).to_contain_text(told)
    assert serious_findings(one.page, "[data-testid=keys]") == []
    one.press(close)

    desk = phone(rows(2), has_touch=False, is_mobile=False, viewport={"width": 1440, "height": 900}, locale=locale)
    expect(desk.page.locator(".hint")).to_be_hidden()
    pair, answer = desk.pair, desk.page.get_by_test_id("response-b")
    box = answer.locator(".words").bounding_box()
    desk.page.mouse.move(box["x"] + 2, box["y"] + 8)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + FAR * 2, box["y"] + 8, steps=8)
    desk.page.mouse.up()
    assert re.search(r"\w", desk.page.evaluate("String(getSelection())"))
    desk.stays(pair)
