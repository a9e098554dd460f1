"""A page asks for nothing by itself, and an edit is one request: what a person would only notice as heat."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.conftest import SLOW, RunningLab

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
STREAMS = re.compile(r"/(api/changes|gradio_api/heartbeat|gradio_api/queue/data|api/runs/[^/]+/events)")
RACES = 6
"""How often an edit races the opening of the page; ``python -m tests.bench idle`` does it fifty times."""
BEFORE_MEASURING = 4_000
"""Milliseconds from an edit to the measurement of its memory (``train_cost.PAUSE``), which is one request more."""


class Requests:
    """What a page asked for, streams left out: each is one request however long it lasts."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        self.of_edits: list[str] = []
        """The drafts that were sent because somebody changed them; not those that ask for what was measured meanwhile."""
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if not STREAMS.search(request.url):
            self.urls.append(request.url)
            body = request.post_data or ""
            if '\\"asks\\"' in body and '\\"asks\\":\\"look' not in body:
                self.of_edits.append(body[:300])

    @property
    def events(self) -> int:
        """How often a handler of the page was called."""
        return sum("/gradio_api/run/" in url or "/gradio_api/queue/join" in url for url in self.urls)


@pytest.fixture
def fresh(browser: Browser, lab: RunningLab) -> Iterator[Callable[..., Page]]:
    """Opens pages in browsers that have never been here; ``clock`` puts the page's clock into the test's hand."""
    contexts = []

    def open_page(path: str, *, clock: bool = False) -> tuple[Page, Requests]:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        requests = Requests(page)
        if clock:
            page.clock.install()
        page.goto(lab.url + path, wait_until="commit")
        return page, requests

    yield open_page
    for context in contexts:
        context.close()


def quiet(page: Page, requests: Requests, still: int = 700) -> None:
    """Wait until a page has asked for nothing for a while."""
    while True:
        before = len(requests.urls)
        page.wait_for_timeout(still)
        if len(requests.urls) == before:
            return


def test_an_edit_that_races_the_opening_is_answered_once(fresh: Any) -> None:
    """Steps typed and PPO clicked at once made 35 to 45 requests a second, for as long as anybody looked."""
    for _ in range(RACES):
        page, requests = fresh("/?tab=train")
        page.locator("#grpo-steps input").fill("12")
        page.get_by_label("PPO", exact=True).click()
        expect(page.locator("#command code")).to_have_text("python -m lab train tiny/ppo")
        quiet(page, requests)
        assert requests.events <= 14, "the opening has 9, two edits have two, and a measurement one"
        page.get_by_label("GRPO", exact=True).click()
        expect(page.locator("#grpo-steps input")).to_have_value("12")
        expect(page.locator("#command code")).to_have_text("python -m lab train tiny/grpo --set steps=12")
        page.context.close()


def test_no_edit_is_more_than_one_request(fresh: Any) -> None:
    page, requests = fresh("/?tab=train")
    page.locator("#plan p").wait_for()
    quiet(page, requests)
    for steps in ("31", "32", "33"):
        before = len(requests.of_edits)
        page.locator("#grpo-steps input").fill(steps)
        expect(page.locator("#command code")).to_contain_text(f"steps={steps}")
        page.wait_for_timeout(300)
        # None of its own where it went along with a look at what was measured.
        assert len(requests.of_edits) - before <= 1, requests.of_edits[-3:]


@pytest.mark.parametrize("tab", ["train", "annotate", "rules", "groups"])
def test_an_open_page_asks_for_nothing(fresh: Any, tab: str) -> None:
    """After 55 minutes with nothing running a page made 5 requests a second."""
    page, requests = fresh(f"/?tab={tab}", clock=True)
    page.get_by_role("tab", name=tab.capitalize(), exact=True).wait_for()
    if tab == "train":  # what stands in a tab that was not opened is not in the page
        page.locator("#plan p").first.wait_for()
    quiet(page, requests)
    page.clock.fast_forward(BEFORE_MEASURING + 1_000)
    quiet(page, requests)
    before = len(requests.urls)
    page.clock.fast_forward("55:00")  # whatever was due fires once
    page.clock.run_for(5_000)
    quiet(page, requests)
    assert len(requests.urls[before:]) <= 1, "the memory that was measured meanwhile is one"


def test_a_hidden_page_closes_its_stream_and_an_opened_one_sees_what_came(
    fresh: Any, lab: RunningLab, store: Any
) -> None:
    from lab.core.recipes import GrpoRecipe

    page, requests = fresh("/?tab=train")
    page.locator("#plan p").wait_for()
    expect(page.get_by_test_id("run-list")).to_contain_text("No runs yet")
    quiet(page, requests)
    show = (
        "(hidden) => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    streams = (
        "() => performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/changes')).length"
    )
    page.evaluate(show, True)
    page.wait_for_function(f"({streams})() > 0")  # an entry is made when a request has ended
    before = len(requests.urls)
    run = store.create_run(GrpoRecipe(name="came meanwhile", steps=1))
    page.wait_for_timeout(1_500)
    assert requests.urls[before:] == []
    page.evaluate(show, False)
    expect(page.locator("[data-testid=run-row]")).to_contain_text("came meanwhile")
    assert run.name == "came meanwhile"


def test_the_form_is_asked_for_once_it_is_looked_at(fresh: Any) -> None:
    page, requests = fresh("/?tab=learn")
    expect(page.get_by_test_id("learn")).to_be_visible()
    quiet(page, requests)
    assert not requests.of_edits
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#command code")).to_contain_text("python -m lab train")
    expect(page.locator("#plan")).to_contain_text("tiny")
    assert len(requests.of_edits) == 1
    page.get_by_role("tab", name="Learn", exact=True).click()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#command code")).to_be_visible()
    page.wait_for_timeout(1_000)
    assert len(requests.of_edits) == 1
