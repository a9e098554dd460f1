"""The page that only judges, in a real browser, as a guest of a workshop comes to it: by the shared address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import serious_findings
from tests.e2e.judging import CODE, ROUTES, judge, short_rows, typed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ENVIRONMENT = {"LAB_OPEN": "annotate"}


@pytest.fixture
def guest(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Follows an address, gives a name at the door, and stands before the first pair."""

    def came(path: str, **options: Any) -> Page:
        page = visit(path, ready="#guest", cut=True, **options)
        page.locator("#guest").fill("Mei 梅")
        page.locator("#guest").press("Enter")
        page.get_by_test_id("choose-a").wait_for()
        return page

    return came


def test_three_by_keyboard_then_the_network_goes_and_the_page_is_loaded_again(guest, annotation):
    collection = typed(annotation, "workshop", short_rows(12))
    page = guest("/judge")  # the only collection: no choice to make
    annotator = page.get_by_test_id("annotator")
    assert urlparse(page.url).path == "/judge"
    expect(page.get_by_test_id("who")).to_contain_text("Mei 梅")
    judged = [judge(page, key) for key in ("1", "ArrowRight", "0")]
    expect(annotator).to_have_attribute("data-state", "saved")
    page.context.route(ROUTES, lambda route: route.abort())
    judged += [judge(page, key) for key in "21"]
    expect(annotator).to_have_attribute("data-state", "unsaved")
    shown = str(annotator.get_attribute("data-pair"))
    page.reload()
    expect(annotator).to_have_attribute("data-pair", shown)
    expect(annotator).to_have_attribute("data-state", "unsaved")
    judged.append(judge(page, "b"))
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(annotator).to_have_attribute("data-state", "saved")
    judge(page, "u")
    expect(annotator).to_have_attribute("data-pair", judged[-1])
    judge(page, "1")
    judged += [judge(page, "2") for _ in range(6)]
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator).to_contain_text("12 of 12")
    assert len(set(judged)) == 12
    (person,) = annotation.quality(collection).annotators
    assert (person.judged, person.skipped) == (12, 0)


def test_pairs_come_after_a_request_that_was_lost_without_a_word(guest, annotation):
    """A sleeping machine or a changed network: the browser never hears of that request again, and the page asks anew by itself."""
    collection = typed(annotation, "lost", short_rows(12))
    page = guest(f"/judge/{collection}")
    lost = []
    page.context.route(
        "**/api/annotate/collections/*/pairs*",
        lambda route: route.continue_() if lost else lost.append(route),
    )
    for _ in range(5):
        judge(page, "1")
    page.keyboard.press("1")  # the last one in hand: no next pair is there
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-pair", "")
    expect(page.get_by_test_id("choose-a")).to_be_visible(timeout=30_000)
    judge(page, "1")
    assert len(lost) == 1


def test_what_the_tab_has_not_sent_is_sent_here(guest, annotation):
    """Both pages are one person's: what one of them could not send, the other one sends."""
    collection = typed(annotation, "both", short_rows(5))
    page = guest(f"/judge/{collection}")
    page.get_by_role("link", name="The whole lab").click()
    page.get_by_test_id("choose-a").wait_for()
    page.context.route(ROUTES, lambda route: route.abort())
    judge(page, "1")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "unsaved")
    page.get_by_test_id("full-screen").click()
    page.wait_for_url(re.compile(f"/judge/{collection}"))
    page.context.unroute(ROUTES)
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    expect(page.get_by_test_id("full-screen")).to_be_hidden()
    assert annotation.quality(collection).judgements == 1


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_in_view_readable_and_text(guest, annotation, width, height, scheme):
    collection = typed(annotation, f"long {width} {scheme}", [{"prompt": CODE, "first": CODE * 40, "second": "No"}])
    page = guest(f"/judge/{collection}", width=width, height=height, color_scheme=scheme)
    for side in ("a", "b"):
        box = page.get_by_test_id(f"choose-{side}").bounding_box()
        assert box and box["y"] >= 0 and box["y"] + box["height"] <= height
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        width,
        height,
    ]
    assert page.get_by_test_id("annotator").locator("img, script, a, iframe").count() == 0
    assert serious_findings(page, "body") == []
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".theme").click()
    page.reload()
    page.get_by_test_id("choose-a").wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_test_id("choose-a")).to_contain_text("A 更好")
