"""Pairs from a model that is sampled now, in a real browser: asked for, waited for through a reload, judged; or cancelled."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from lab.annotation.pairs import read_pairs
from tests.e2e.conftest import serious_findings, wait_until
from tests.e2e.judging import part

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(600)]
ENVIRONMENT = {"LAB_SPARE_WORKER": "1"}


def opened(page: Page) -> Page:
    """The form for a model that writes now."""
    page.get_by_role("tab", name="Annotate", exact=True).click()
    part(page, "Collections")
    return page


def ask(page: Page, prompts: int) -> None:
    page.locator("#pairs-from").get_by_text("A model, now", exact=True).click()
    page.locator("#way-sample").get_by_label("Prompts", exact=True).fill(str(prompts))
    page.locator("#add-pairs-button").click()


def test_a_model_twice_at_the_same_prompts_and_a_reload_meanwhile(visit, annotation, store):
    page = opened(visit())
    ask(page, 6)
    expect(page.locator("#sample-cancel")).to_be_visible()
    page.reload()
    opened(page)
    wait_until(page, lambda: bool(annotation.collections()))
    (collection,) = annotation.collections()
    assert collection.name == "tiny" and 1 <= collection.pairs <= 6  # two that are the same make no pair
    with store.reading() as connection:
        pairs = read_pairs(connection, collection.id)
    assert all(pair.first.source == pair.second.source == "tiny" for pair in pairs)
    assert all(pair.first.text != pair.second.text for pair in pairs)
    expect(page.locator("#add-message")).to_contain_text("pairs are now in “tiny”")
    expect(page.locator("#sample-cancel")).to_be_hidden()
    part(page, "Judge")
    page.get_by_test_id("choose-a").wait_for()


def test_it_can_be_cancelled_and_what_is_asked_amiss_is_said(visit, annotation):
    page = opened(visit())
    before = len(annotation.collections())
    ask(page, 0)
    expect(page.locator("#add-message")).to_contain_text("count")
    ask(page, 2000)
    expect(page.locator("#add-message progress")).to_be_visible()
    expect(page.locator("#add-message")).to_contain_text("completions")
    page.locator("#sample-cancel").click()
    expect(page.locator("#add-message")).to_contain_text("Cancelled; no pairs were added.")
    assert len(annotation.collections()) == before
    assert serious_findings(page, "#way-sample") == []
