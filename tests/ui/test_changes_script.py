"""When a page looks again (``changes.js``): once for each change, also where its stream is behind what the server told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import lab.ui
from tests.ui.scripts import ORIGIN

pytestmark = pytest.mark.browser
SCRIPT = Path(lab.ui.__file__).with_name("changes.js").read_text("utf-8")
STREAM = "window.EventSource = class { constructor() { window.stream = this; } close() {} };"


@pytest.fixture
def page(judging_browser: Browser) -> Iterator[Page]:
    opened = judging_browser.new_page()
    opened.route(ORIGIN + "/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    opened.goto(ORIGIN + "/")
    opened.add_script_tag(content=STREAM + SCRIPT + "window.looks = 0; window.fired = {};")
    yield opened
    opened.close()


def send(page: Page, mark: str) -> int:
    page.evaluate("(mark) => stream.onmessage({ data: JSON.stringify({ jobs: mark }) })", mark)
    return looks(page)


def wait(page: Page, told: str, *, again: bool = True) -> int:
    page.evaluate(
        "([told, again]) => { labChanges.wait({ jobs: told }, () => { looks += 1; }, again ? fired : {}); }",
        [told, again],
    )
    return looks(page)


def looks(page: Page) -> int:
    count: int = page.evaluate("looks")
    return count


def test_a_mark_that_is_still_true_calls_nobody(page: Page) -> None:
    send(page, "one")
    assert wait(page, "one") == 0 and send(page, "one") == 0
    assert send(page, "two") == 1


def test_a_stream_that_is_behind_makes_one_look_and_not_a_storm(page: Page) -> None:
    send(page, "one")
    assert wait(page, "two") == 1, "it cannot know which of the two is newer"
    assert wait(page, "two") == 1, "the answer told the same, and the stream is still behind"
    assert send(page, "two") == 1 and send(page, "three") == 2


def test_another_wait_has_looks_of_its_own(page: Page) -> None:
    send(page, "one")
    assert wait(page, "two") == 1 and wait(page, "two", again=False) == 2
