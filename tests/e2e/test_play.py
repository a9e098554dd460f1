"""Play in a real browser, with a real worker on the tiny model: ask, score, go on, edit, regenerate, stop, judge blind, keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from lab.annotation.collections import Annotation
from lab.core.jobs import Kind
from lab.runs.job_work import JobWork
from lab.store.demonstrations import demonstrations
from lab.store.jobs import JobStore
from lab.store.runs import Store
from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
LOADED = 400_000


@pytest.fixture(autouse=True)
def _no_chat_is_left(store: Store):
    """Its worker does not outlive the test."""
    yield
    jobs = JobStore(store.home)
    for job in jobs.active():
        if job.kind is Kind.CHAT:
            JobWork(jobs.folder(job.id)).stop(now=True)


def opened(visit, **context) -> Page:
    """By its address: on a phone the tab is behind the bar's "…"."""
    page = visit("/?tab=play", ready="#play [data-testid=model]", **context)
    expect(page.get_by_test_id("model").first).to_be_visible()
    return page


def choose(page: Page, **values: object) -> None:
    for name, value in values.items():
        page.get_by_test_id(name).fill(str(value))
        page.get_by_test_id(name).press("Tab")


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("play-box").fill(question)
    page.get_by_test_id("play-box").press("Enter")


def answered(page: Page, turns: int) -> None:
    expect(page.locator("[data-testid=play-turn][data-state=over]")).to_have_count(turns, timeout=LOADED)


@contextmanager
def chat_worker_held(store: Store) -> Iterator[None]:
    """The chat's worker takes no step inside: a fast machine would end all answers of the tiny model before the click on *Stop*."""
    (chat,) = [job for job in JobStore(store.home).active() if job.kind is Kind.CHAT]
    identity = JobWork(JobStore(store.home).folder(chat.id)).identity()
    assert identity is not None
    worker = psutil.Process(identity.pid)
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def test_a_conversation_with_two_models(visit, annotation: Annotation, store: Store) -> None:
    page = opened(visit)
    page.get_by_test_id("add-model").click()
    choose(page, samples=2, temperature=2, max_tokens=24, answer="5")
    page.get_by_test_id("scorer").select_option("rule:equals_answer")
    ask(page, "Solve 3x + 5 = 20")
    answered(page, 1)
    assert page.get_by_test_id("play-answer").count() == 4
    expect(page.get_by_test_id("play-reward")).to_have_count(4)
    expect(page.get_by_test_id("play")).to_have_attribute("data-state", "ready")
    expect(page.get_by_test_id("play-state")).to_contain_text("copies of base weights: 1")

    first = page.get_by_test_id("play-turn").first
    first.get_by_role("button", name="Go on from this").first.click()
    expect(first.locator("[aria-pressed=true]")).to_have_count(2)
    first.get_by_test_id("judge-these").click()
    expect(first.locator(".said")).to_contain_text("wait in Annotate")
    collection = annotation.collections()[0]
    sources = {side.source for pair in annotation.pairs(collection.id) for side in (pair.first, pair.second)}
    assert collection.pairs >= 1 and sources == {"tiny"}
    texts = first.locator("[data-testid=play-answer] .text")
    kept = texts.first.inner_text()
    first.get_by_role("button", name="Keep as demonstration").first.click()
    expect(first.locator(".said")).to_contain_text("has 1 row")
    found = demonstrations(store)
    assert found is not None and kept in Path(found.dataset).read_text("utf-8").replace("\\n", "\n")

    ask(page, "And 2x = 8?")
    answered(page, 2)
    first.get_by_role("button", name="Edit").click()
    page.get_by_test_id("edit-question").fill("Solve 4x = 12")
    page.get_by_test_id("edit-question").press("Enter")
    answered(page, 1)
    expect(page.get_by_test_id("play-turn")).to_contain_text("Solve 4x = 12")
    page.get_by_test_id("again").click()
    answered(page, 1)
    page.reload()
    page.get_by_role("tab", name="Play").click()
    expect(page.get_by_test_id("play-turn")).to_contain_text("Solve 4x = 12")
    expect(page.get_by_test_id("play")).to_have_attribute("data-state", "ready")

    choose(page, samples=16, temperature=5, max_tokens=4000)
    with chat_worker_held(store):
        ask(page, "Write for ever")
        page.get_by_test_id("stop").click()
    answered(page, 2)
    expect(page.locator("[data-testid=play-turn]").last.locator("[data-state=stopped]").first).to_be_visible()
    assert serious_findings(page, "#play") == []


@pytest.mark.parametrize(
    ("locale", "scheme", "width"),
    [("en-US", "light", 1440), ("zh-CN", "dark", 1024), ("zh-CN", "light", 390), ("en-US", "dark", 390)],
)
def test_it_fits_and_reads_in_both_languages_and_themes(visit, locale: str, scheme: str, width: int) -> None:
    page = opened(visit, locale=locale, color_scheme=scheme, width=width, height=844)
    expect(page.get_by_test_id("play")).to_contain_text("Talk to any model" if locale == "en-US" else "任意模型对话")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(page, "#play") == []
    page.get_by_test_id("play-box").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")
