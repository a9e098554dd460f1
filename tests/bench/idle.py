"""A page that nobody touches, and edits that race the opening of one: what a page asks for by itself, and what that costs the server."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure

SETTLE = 30  # seconds after which the opening and its measurement of memory are over
OPEN = 60  # seconds that the page is then left open
RACES = 50
RACED = 3  # seconds after a race in which requests are counted


def measure() -> list[Figure]:
    """Requests and processor time of an open page; the most requests a second after a race."""
    with lab.home() as home, lab.running(home) as started, chromium() as browser:
        visit = Visit(browser, started)
        visit.seconds_until_usable()
        visit.requests_while_idle(SETTLE)
        before = started.cpu_seconds()
        requests = visit.requests_while_idle(OPEN)
        used = started.cpu_seconds() - before
        visit.close()
        raced = [_race(browser, started) for _ in range(RACES)]
    return [
        Figure("page open and idle: requests a minute", 60 * requests / OPEN, "", 0),
        Figure("page open and idle: processor of the page process", 100 * used / OPEN, "%", 2),
        Figure(
            f"Steps typed and PPO clicked while the page opens: requests a second after, most of {RACES}",
            max(raced),
            "",
            1,
        ),
    ]


def _race(browser: Browser, started: lab.RunningLab) -> float:
    visit = Visit(browser, started, "/?tab=train")
    visit.page.locator("#grpo-steps input").fill("12")
    visit.page.get_by_label("PPO", exact=True).click()
    visit.page.wait_for_function("document.querySelector('#command code').textContent.endsWith('tiny/ppo')")
    requests = visit.requests_while_idle(RACED)
    visit.close()
    return requests / RACED
