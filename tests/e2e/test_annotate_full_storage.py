"""A browser that can keep no more: old drafts make room for judgements, and what cannot be kept all the same is told and warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.e2e.conftest import SLOW, RunningLab
from tests.e2e.judging import ROUTES, judge, short_rows, typed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
FILL = """(beside) => {
  if (beside) localStorage.setItem("other", "x");
  for (let size = 1 << 22; size >= 1; size = size >> 1)
    for (let n = 0; n < 4; n += 1) try { localStorage.setItem(`full-${size}-${n}`, "x".repeat(size)); } catch { break; }
}"""
DRAFTS = """(who) => {
  for (let n = 0; n < 40; n += 1)
    try {
      localStorage.setItem(`lab-annotate.draft.${who}.elsewhere.${n}`, JSON.stringify({ reason: "x".repeat(200000), at: n + 1 }));
    } catch { return n; }
  return -1;
}"""
KEPT = "(prefix) => Object.keys(localStorage).filter((name) => name.startsWith('lab-annotate.' + prefix)).length"


@dataclass
class Tab:
    """A page, and the questions whether it may be left."""

    page: Page
    asked: list[str] = field(default_factory=list)

    def dialog(self, dialog: Dialog) -> None:
        self.asked.append(dialog.type)
        dialog.accept()

    def leaves(self) -> list[str]:
        """Load the page again; what it asked before."""
        self.asked.clear()
        self.page.reload()
        return list(self.asked)


@pytest.fixture
def opened(browser: Browser, lab: RunningLab) -> Iterator[Callable[[str], Tab]]:
    tabs: list[Tab] = []

    def open_tab(path: str) -> Tab:
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(SLOW)
        tabs.append(Tab(page))
        page.on("dialog", tabs[-1].dialog)
        page.goto(lab.url + path)
        page.get_by_test_id("choose-a").wait_for()
        page.mouse.click(5, 5)  # a browser asks only for a page on which somebody did something
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.page.close()


def test_old_drafts_make_room_for_a_judgement(opened, annotation):
    collection = typed(annotation, "room", short_rows(6))
    tab = opened(f"/judge/{collection}")
    drafts = tab.page.evaluate(DRAFTS, "owner")
    assert drafts > 10  # and then the storage was full
    tab.page.evaluate(FILL, False)
    tab.page.context.route(ROUTES, lambda route: route.abort())
    for number in range(1, 4):
        judge(tab.page, "1")
        assert tab.page.evaluate(KEPT, "outbox.") == number
    assert tab.page.evaluate(KEPT, "draft.") == drafts - 1
    names = tab.page.evaluate("Object.keys(localStorage)")
    assert "lab-annotate.draft.owner.elsewhere.0" not in names  # the oldest
    expect(tab.page.get_by_test_id("save-state")).not_to_contain_text("no room")
    tab.leaves()
    expect(tab.page.get_by_test_id("save-state")).to_contain_text("3 not saved yet")


def test_old_drafts_make_room_for_what_is_typed(opened, annotation):
    collection = typed(annotation, "typed", short_rows(3), reason=True)
    tab = opened(f"/judge/{collection}")
    tab.page.evaluate(DRAFTS, "owner")
    tab.page.evaluate(FILL, False)
    tab.page.get_by_test_id("reason").fill("because")
    assert tab.leaves() == []
    expect(tab.page.get_by_test_id("reason")).to_have_value("because")


def test_what_cannot_be_kept_is_told_and_leaving_asks(opened, annotation):
    collection = typed(annotation, "no room", short_rows(6), reason=True)
    tab = opened(f"/judge/{collection}")
    page = tab.page
    page.evaluate(FILL, True)
    page.get_by_test_id("reason").fill("because")
    page.keyboard.press("Enter")
    expect(page.get_by_text("no room to keep what you type")).to_be_visible()
    page.context.route(ROUTES, lambda route: route.abort())
    judge(page, "1")
    expect(page.get_by_text("no room to keep what you type")).to_be_hidden()
    expect(page.get_by_test_id("save-state")).to_contain_text("no room to keep them: leave this page open")
    assert page.evaluate(KEPT, "outbox.") == 0
    page.evaluate("localStorage.removeItem('other')")
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert annotation.quality(collection).judgements == 1
    page.context.route(ROUTES, lambda route: route.abort())
    judge(page, "1")
    assert tab.leaves() == ["beforeunload"]


def test_leaving_asks_while_a_judgement_is_not_saved(opened, annotation):
    collection = typed(annotation, "leave", short_rows(6))
    tab = opened(f"/judge/{collection}")
    judge(tab.page, "1")
    expect(tab.page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert tab.leaves() == []
    tab.page.get_by_test_id("choose-a").wait_for()
    tab.page.mouse.click(5, 5)
    tab.page.context.route(ROUTES, lambda route: route.abort())
    judge(tab.page, "1")
    assert tab.leaves() == ["beforeunload"]


def test_each_persons_things_stand_under_their_own_id(opened, annotation):
    """Not under the name, which two may share; a draft under its collection too, for the same pair may be in two."""
    one, other = (typed(annotation, name, short_rows(2), reason=True) for name in ("one", "other"))
    tab = opened(f"/judge/{one}")
    tab.page.get_by_test_id("reason").fill("in the one")
    tab.page.goto(tab.page.url.replace(one, other))
    tab.page.get_by_test_id("choose-a").wait_for()
    expect(tab.page.get_by_test_id("reason")).to_have_value("")
    names = tab.page.evaluate("Object.keys(localStorage)")
    assert [name for name in names if name.startswith(f"lab-annotate.draft.owner.{one}.")]
