"""The Annotate tab in a real browser: from a file to a frozen version, by keyboard, with the network cut in the middle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from lab.annotation.judgements import Submission
from lab.core.access import Access, User
from lab.core.preferences import Place
from tests.e2e.conftest import serious_findings
from tests.e2e.judging import CODE, PAIRS, ROUTES, add_demo_files, judge, part, short_rows, typed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
LONG = "这是一个很长的回答。It goes on and on, and nobody reads to its end.\n" * 120


@pytest.fixture
def open_page(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the tab, for tests that may cut the network."""
    return partial(visit, path="/?tab=annotate", ready="[data-testid=annotator]:visible", cut=True)


def test_from_two_files_to_a_frozen_version(open_page, annotation, tmp_path):
    page = open_page()
    annotator = page.get_by_test_id("annotator")
    expect(annotator).to_contain_text("No pairs to judge yet")
    add_demo_files(page, annotation, tmp_path, "en", "zh")
    (collection,) = annotation.collections()
    assert (collection.pairs, collection.name) == (2 * PAIRS, "dpo_en_demo")

    part(page, "Judge")
    page.get_by_test_id("choose-a").wait_for()
    judged = [judge(page, key) for key in ("1", "ArrowRight", "0", "b")]
    expect(annotator).to_have_attribute("data-state", "saved")
    page.context.route(ROUTES, lambda route: route.abort())
    judged += [judge(page, key) for key in "12"]
    expect(annotator).to_have_attribute("data-state", "unsaved")
    shown = annotator.get_attribute("data-pair")
    page.reload()
    expect(annotator).to_have_attribute("data-pair", str(shown))
    expect(annotator).to_have_attribute("data-state", "unsaved")
    judged.append(judge(page, "2"))
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(annotator).to_have_attribute("data-state", "saved")
    judged += [judge(page, "1") for _ in range(3)]
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator.locator(".count")).to_contain_text("10 of 24")
    assert len(set(judged)) == 10
    (person,) = annotation.quality(collection.id).annotators
    assert (person.judged, person.skipped) == (10, 0)

    part(page, "Dataset")
    expect(page.locator("#would-give")).to_contain_text("This rule gives 8 preferences now.")
    page.locator("#freeze").click()
    expect(page.locator("#freeze-message")).to_contain_text("8 preferences")
    (version,) = annotation.versions(collection.id)
    assert {row["pair_id"] for row in annotation.rows(version.id)} <= set(judged)
    page.locator("#export-version").click()
    expect(page.locator("#version-files")).to_contain_text("preferences")
    page.locator("#train-rm").click()
    expect(page.locator("#plan")).to_contain_text("preferences from")
    expect(page.locator("#rm-dataset input")).to_have_value("judgements frozen as “dpo_en_demo” · 8")
    expect(page.locator("#command")).to_contain_text(f"version:{version.id}")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_both_choices_stay_in_view_and_nothing_is_markup(open_page, annotation, width, height):
    rows = [
        {"prompt": LONG, "first": LONG, "second": CODE + LONG},
        {"prompt": "<b>Hi</b>", "first": CODE, "second": "No"},
    ]
    collection = typed(annotation, "long", rows)
    page = open_page(path=f"/?collection={collection}", width=width, height=height)
    for _ in rows:
        for side in ("a", "b"):
            box = page.get_by_test_id(f"choose-{side}").bounding_box()
            assert box and box["y"] >= 0 and box["y"] + box["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_test_id("annotator").locator("img, script, a, iframe").count() == 0
        assert serious_findings(page, "[data-testid=annotator]") == []
        page.get_by_test_id("choose-b").hover()
        assert serious_findings(page, "[data-testid=annotator]") == []
        judge(page, "s")


def test_keys_undo_edit_and_what_they_leave_alone(open_page, annotation):
    collection = typed(annotation, "keys", short_rows(8), reason=True)
    page = open_page(path=f"/?collection={collection}")
    annotator = page.get_by_test_id("annotator")
    page.get_by_test_id("choose-a").wait_for()
    first = str(annotator.get_attribute("data-pair"))
    for key in ("Backspace", "Control+1", "Alt+2", "x"):
        page.keyboard.press(key)
    page.keyboard.press("r")
    page.keyboard.type("1 and 2 are numbers")
    assert annotator.get_attribute("data-pair") == first
    page.keyboard.press("Enter")
    judge(page, "1")
    judge(page, "u")
    expect(annotator).to_have_attribute("data-pair", first)
    expect(page.get_by_test_id("reason")).to_have_value("1 and 2 are numbers")
    page.keyboard.press("e")
    page.keyboard.press("2")
    page.get_by_test_id("edit-text").fill("My own answer.")
    page.reload()
    expect(page.get_by_test_id("edit-text")).to_have_value("My own answer.")
    page.keyboard.press("Control+Enter")
    expect(annotator).not_to_have_attribute("data-pair", first)
    expect(annotator).to_have_attribute("data-state", "saved")
    page.keyboard.press("?")
    page.get_by_role("button", name="Change the key for: Tie").click()
    page.keyboard.press("q")
    page.get_by_role("button", name="Close").click()
    judge(page, "q")
    expect(annotator).to_have_attribute("data-state", "saved")
    derived = annotation.derived(collection, rule())
    assert [(row.chosen, row.pair_id) for row in derived.preferences] == [("My own answer.", first)]


def rule() -> Any:
    from lab.core.preferences import Derivation

    return Derivation(use_edits=True)


def test_a_double_click_judges_one_pair(open_page, annotation):
    collection = typed(annotation, "double", short_rows(6))
    page = open_page(path=f"/?collection={collection}")
    page.get_by_test_id("choose-a").dblclick()
    expect(page.get_by_test_id("annotator").locator(".count")).to_contain_text("1 of 6")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert annotation.quality(collection).judgements == 1


def test_an_undo_without_network_is_kept_in_order(open_page, annotation):
    collection = typed(annotation, "order", short_rows(6))
    page = open_page(path=f"/?collection={collection}")
    annotator = page.get_by_test_id("annotator")
    page.get_by_test_id("choose-a").wait_for()
    page.wait_for_timeout(300)
    page.context.route(ROUTES, lambda route: route.abort())
    pair = judge(page, "1")
    judge(page, "u")
    expect(annotator).to_have_attribute("data-pair", pair)
    judge(page, "0")
    expect(annotator).to_have_attribute("data-state", "unsaved")
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator.get_by_role("alert")).to_be_hidden()
    quality = annotation.quality(collection)
    assert quality.judgements == 1 and annotation.derived(collection, rule()).counts["tie"] == 1


def test_disagreements_are_decided_by_the_owner(open_page, annotation):
    collection = typed(annotation, "divided", short_rows(1), overlap=2)
    for name, place in (("Ada", Place.LEFT), ("Ben", Place.RIGHT)):
        user = User(name, Access.ANNOTATOR, id=name)
        (pair,) = annotation.hand_out(user, collection, 1).result()["pairs"]
        text = {Place.LEFT: pair["a"], Place.RIGHT: pair["b"]}
        wanted = "Answer 0." if name == "Ada" else "Another 0!"
        place = next(where for where, said in text.items() if said == wanted)
        annotation.judge(user, Submission(UUID(pair["shown"]), collection, pair["pair"], place)).result()
    assert annotation.derived(collection, rule()).preferences == ()
    page = open_page(path=f"/?collection={collection}")
    part(page, "Quality")
    expect(page.locator("#disagreement")).to_contain_text("Disagreement 1 of 1")
    expect(page.locator("#disagreement")).to_contain_text("Ada")
    page.locator("#decide-first").click()
    expect(page.locator("#quality-message")).to_contain_text("Your decision is stored")
    assert len(annotation.derived(collection, rule()).preferences) == 1
