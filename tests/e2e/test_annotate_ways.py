"""What somebody may do while they judge, each in a real browser: look at both sides, say how much better, see the sources; and what
neither a mouse nor a network does to their judgements."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select

from lab.annotation.collections import Annotation
from lab.annotation.tables import judgements_table
from tests.e2e.judging import judge, short_rows, typed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
CHOICES = ("[data-testid=choose-a]", "[data-testid=choose-b]", "[data-action=tie]", "[data-action=both_bad]")
CONTRAST = """(button) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue]
    .map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const under = (node) => {
    const colour = numbers(getComputedStyle(node).backgroundColor);
    return colour.length < 4 || colour[3] === 1 || !node.parentElement ? colour : under(node.parentElement);
  };
  const texts = [button, ...button.querySelectorAll("*")].filter((node) => node.textContent.trim() && node.getClientRects().length);
  return Math.min(...texts.map((node) => {
    const [dark, bright] = [light(numbers(getComputedStyle(node).color)), light(under(node))].sort((one, other) => one - other);
    return (bright + 0.05) / (dark + 0.05);
  }));
}"""


@pytest.fixture
def open_page(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the page that only judges before its first pair, for tests that may cut the network."""
    return partial(visit, ready="[data-testid=choose-a]:visible", cut=True)


def events(annotation: Annotation, collection: str) -> list[Any]:
    with annotation.store.reading() as connection:
        found = select(judgements_table).where(judgements_table.c.collection == collection)
        return list(connection.execute(found.order_by(judgements_table.c.number)))


def test_both_scroll_together_or_apart(open_page, annotation):
    text = "One line of many.\n" * 200
    collection = typed(
        annotation, "scrolls", [{"prompt": "?", "first": text, "second": text + "And one more.\n" * 200}]
    )
    page = open_page(f"/judge/{collection}")
    a, b = (page.get_by_test_id(f"response-{side}") for side in "ab")
    top = "(node) => node.scrollTop / (node.scrollHeight - node.clientHeight)"
    a.evaluate("(node) => (node.scrollTop = node.scrollHeight / 2)")
    page.wait_for_timeout(300)
    assert a.evaluate(top) > 0.4 and b.evaluate(top) == 0
    page.keyboard.press("t")
    expect(page.get_by_test_id("together")).to_have_attribute("aria-pressed", "true")
    for leader, other in ((a, b), (b, a)):
        leader.evaluate("(node) => (node.scrollTop = node.scrollHeight / 4)")
        page.wait_for_timeout(300)
        assert leader.evaluate(top) > 0.2
        assert abs(leader.evaluate(top) - other.evaluate(top)) < 0.02
    page.keyboard.press("t")
    expect(page.get_by_test_id("together")).to_have_attribute("aria-pressed", "false")
    before = b.evaluate(top)
    a.evaluate("(node) => (node.scrollTop = 0)")
    page.wait_for_timeout(300)
    assert b.evaluate(top) == before
    page.keyboard.press("ArrowDown")  # arrows move both
    page.wait_for_timeout(300)
    assert a.evaluate(top) > 0 and b.evaluate(top) > before


def test_differences_are_marked_word_by_word(open_page, annotation):
    rows = [
        {"prompt": "?", "first": "The cat sat on the mat.", "second": "The dog sat on the mat."},
        {"prompt": "？", "first": "今天天气很好。", "second": "今天天气不好。"},
        {"prompt": "!", "first": "Nothing at all alike", "second": "完全不同"},
    ]
    collection = typed(annotation, "differences", rows)
    page = open_page(f"/judge/{collection}")
    marked = page.get_by_test_id("annotator").locator("mark")
    expect(marked).to_have_count(0)
    page.keyboard.press("d")
    found = {}
    for _ in rows:
        page.get_by_test_id("choose-a").wait_for()
        prompt = page.get_by_test_id("prompt-text").inner_text()
        found[prompt] = sorted(marked.all_inner_texts())
        alike = page.get_by_text("so little in common")
        expect(alike).to_be_visible() if prompt == "!" else expect(alike).to_be_hidden()
        if len(found) < len(rows):
            judge(page, "s")
    assert found == {"?": ["cat", "dog"], "？": ["不", "很"], "!": []}
    page.keyboard.press("d")
    expect(marked).to_have_count(0)


def test_strength_is_said_by_keys(open_page, annotation):
    collection = typed(annotation, "strength", short_rows(5), strength=True)
    page = open_page(f"/judge/{collection}")
    annotator = page.get_by_test_id("annotator")
    shown = str(annotator.get_attribute("data-pair"))
    page.keyboard.press("1")
    expect(page.get_by_text("How much better is A?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("How much better is A?")).to_be_hidden()
    expect(annotator).to_have_attribute("data-pair", shown)
    for key, degree in (("1", "3"), ("2", "1"), ("1", "Enter")):
        shown = str(annotator.get_attribute("data-pair"))
        page.keyboard.press(key)
        expect(page.get_by_text(f"How much better is {'AB'[int(key) - 1]}?")).to_be_visible()
        page.keyboard.press(degree)
        expect(annotator).not_to_have_attribute("data-pair", shown)
    judge(page, "0")  # a tie is not stronger or weaker
    expect(annotator).to_have_attribute("data-state", "saved")
    assert [(row.choice == row.left, row.strength) for row in events(annotation, collection)] == [
        (True, 3),
        (False, 1),
        (True, None),
        (False, None),
    ]


def test_the_sources_are_shown_when_asked_and_the_next_word_on_the_pair_is_not_blind(open_page, annotation):
    rows = [{**row, "first_source": "model one", "second_source": "model two"} for row in short_rows(3)]
    collection = typed(annotation, "sources", rows)
    page = open_page(f"/judge/{collection}")
    last, seen = page.get_by_test_id("last-judgement"), page.get_by_text("no longer blind")
    a = page.get_by_test_id("response-a").inner_text()
    pair = judge(page, "1")
    expect(last).to_contain_text("A preferred")
    expect(last.locator(".sources")).to_be_hidden()
    judge(page, "u")
    expect(seen).to_be_hidden()  # nothing was looked at
    judge(page, "1")
    last.get_by_role("button", name="Where did they come from?").click()
    one, two = ("one", "two") if a.startswith("Answer") else ("two", "one")
    expect(last).to_contain_text(f"A: model {one} · B: model {two}")
    page.keyboard.press("u")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-pair", pair)
    expect(seen).to_be_visible()
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    page.reload()
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-pair", pair)
    expect(seen).to_be_visible()
    judge(page, "2")
    expect(seen).to_be_hidden()
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    said = [row.revealed for row in events(annotation, collection) if row.kind == "judgement"]
    assert said == [False, False, True]


@pytest.mark.parametrize("place", ["/judge/{}", "/?collection={}"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_choice_can_be_read_focused_and_hovered(open_page, annotation, place, scheme):
    collection = typed(annotation, f"contrast {place} {scheme}", short_rows(2))
    page = open_page(place.format(collection), color_scheme=scheme)
    for choice in CHOICES:
        button = page.locator(choice)
        page.mouse.move(1, 1)
        page.keyboard.press("Tab")  # a focus that comes by keyboard is seen
        button.focus()
        assert button.evaluate("(node) => getComputedStyle(node).outlineStyle") == "solid", choice
        assert button.evaluate(CONTRAST) >= 4.5, (choice, "focused")
        button.hover()
        assert button.evaluate(CONTRAST) >= 4.5, (choice, "focused and hovered")
        page.mouse.down()
        assert button.evaluate(CONTRAST) >= 4.5, (choice, "pressed")
        page.mouse.move(1, 1)
        page.mouse.up()  # elsewhere: nothing is chosen
        button.blur()
        button.hover()
        assert button.evaluate(CONTRAST) >= 4.5, (choice, "hovered")
    assert events(annotation, collection) == []


def test_a_save_whose_answer_was_lost_is_stored_once(open_page, annotation):
    collection = typed(annotation, "lost answer", short_rows(4))
    page = open_page(f"/judge/{collection}")
    sent: list[int] = []

    def answer_lost(route: Route) -> None:
        sent.append(route.fetch().status)
        route.abort()

    page.context.route("**/api/annotate/judgements", answer_lost)
    judge(page, "1")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "unsaved")
    assert sent[0] == 200 and len(events(annotation, collection)) == 1
    page.context.unroute("**/api/annotate/judgements")
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    expect(page.get_by_test_id("annotator").get_by_role("alert")).to_be_hidden()
    assert len(events(annotation, collection)) == 1
    expect(page.get_by_test_id("annotator").locator(".count")).to_contain_text("1 of 4")


def test_a_slow_double_click_judges_one_pair(open_page, annotation):
    collection = typed(annotation, "slow double", short_rows(4))
    page = open_page(f"/judge/{collection}")
    page.get_by_test_id("choose-a").hover()
    shown = str(page.get_by_test_id("annotator").get_attribute("data-pair"))
    for number in (1, 2):
        page.mouse.down(click_count=number)
        page.mouse.up(click_count=number)
        page.wait_for_timeout(430)
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", shown)
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert len(events(annotation, collection)) == 1
    page.get_by_test_id("choose-b").click()
    expect(page.get_by_test_id("annotator").locator(".count")).to_contain_text(re.compile("^2 of 4"))
