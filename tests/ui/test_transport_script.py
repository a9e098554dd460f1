"""Requests of the page to the lab (``shared/transport.js``), in a real browser against routes that answer as the lab does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.ui.scripts import ORIGIN, load_scripts

pytestmark = pytest.mark.browser
BUSY = {"error": {"key": "too_many_requests", "params": {}}}
ASK = "fetchJsonWhenFree('api/class/rules', { body: { title: 'a' } }).catch(({ status }) => ({ status }))"


def asked(page: Page, answers: list[tuple[int, Any]]) -> tuple[Any, list[Any]]:
    """What the page gets where the lab gives these answers in turn, and what it sent; waits take no time."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        status, body = answers[min(len(sent), len(answers) - 1)]
        sent.append(route.request.post_data_json)
        route.fulfill(status=status, body=json.dumps(body), content_type="application/json")

    load_scripts(page, "live_curves")
    page.route(f"{ORIGIN}/api/**", answer)
    page.evaluate("window.setTimeout = (act) => void Promise.resolve().then(act)")
    return page.evaluate(ASK), sent


def test_what_a_busy_lab_refuses_is_asked_again(judging_browser: Browser) -> None:
    page = judging_browser.new_page()
    got, sent = asked(page, [(429, BUSY), (429, BUSY), (200, {"board": [1]})])
    assert got == {"board": [1]} and sent == [{"title": "a"}] * 3
    page.close()


@pytest.mark.parametrize(("status", "times"), [(429, 8), (403, 1), (422, 1), (500, 1)])
def test_a_lab_that_stays_busy_is_told_and_another_refusal_at_once(
    judging_browser: Browser, status: int, times: int
) -> None:
    page = judging_browser.new_page()
    got, sent = asked(page, [(status, BUSY)])
    assert got == {"status": status} and len(sent) == times
    page.close()
