"""Judging by keyboard: from the key press until the next pair is painted, and from an address to the first pair; on the page that
only judges (``/judge``) and in the Annotate tab.

A time runs from the key event until after the next frame was painted with the next pair in place, so it holds the wait for that
frame: up to 17 ms at 60 Hz, whatever the page does. Each judgement is also saved meanwhile; the last figure says whether all were.
"""

from __future__ import annotations

import random

from playwright.sync_api import Browser, Page

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from tests.bench import lab
from tests.bench.browser import SLOW, Visit, chromium
from tests.bench.figures import Figure, median, quantile

JUDGEMENTS = 200
VISITS = 5
WORDS = ("we", "take", "the", "answer", "apart", "and", "look", "at", "every", "step", "before", "choosing", "one")
CHINESE = "我们先把答案拆开，逐步检查，然后再说哪一条更好。"

# One key press each, after a pause of random length, so that they fall anywhere within a frame, as a person's do.
JUDGE = """async (count) => {
  const root = document.querySelector("[data-testid=annotator]");
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(null);
  }));
  const times = [];
  for (let number = 0; number < count; number += 1) {
    await new Promise((next) => setTimeout(next, 150 + 100 * Math.random()));
    while (!root.dataset.pair) await painted();
    const before = root.dataset.pair;
    const started = performance.now();
    const key = ["1", "2", "0"][number % 3];
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    do await painted(); while (!root.dataset.pair || root.dataset.pair === before);
    times.push(performance.now() - started);
  }
  return times;
}"""

FIRST_PAIR = """(() => {
  const look = () => {
    const answer = document.querySelector("[data-testid=response-a] .passage");
    if (answer && answer.getClientRects().length) window.firstPairAfter = performance.now();
    else requestAnimationFrame(look);
  };
  look();
})();"""


def measure() -> list[Figure]:
    """Both places on a collection each of pairs as long as people's own, half of them Chinese."""
    with lab.home() as home:
        with lab.store(home) as store:
            rows = [_row(number) for number in range(JUDGEMENTS + 40)]
            settings = CollectionSettings(gold_rate=0)
            made = [
                Annotation(store).import_rows(rows, name=name, settings=settings).collection.id for name in ("a", "b")
            ]
        with lab.running(home) as started, chromium() as browser:
            page = _figures(browser, f"{started.url}/judge/{made[0]}", "/judge", 1)
            tab = _figures(browser, f"{started.url}/?collection={made[1]}", "tab")
            sent = _kilobytes(browser, started)
    return [*page, Figure("/judge, all that is sent for the first pair", sent, "kB"), *tab]


def _figures(browser: Browser, address: str, where: str, first_pair: float | None = None) -> list[Figure]:
    """What is measured at one address; ``first_pair`` is the target for the median visitor."""
    seconds = [_first_pair(browser, address) for _ in range(VISITS)]
    times, saved = _judging(browser, address)
    return [
        Figure(f"{where}: address entered → first pair, first visitor", seconds[0], "s"),
        Figure(f"{where}: address entered → first pair, median of {VISITS}", median(seconds), "s", first_pair),
        Figure(f"{where}: key press → next pair painted, p50 of {len(times)}", quantile(times, 0.5), "ms"),
        Figure(f"{where}: key press → next pair painted, p95 of {len(times)}", quantile(times, 0.95), "ms", 35),
        Figure(f"{where}: of these, not saved at the end", len(times) - saved, "", 0),
    ]


def _kilobytes(browser: Browser, started: lab.RunningLab) -> float:
    visit = Visit(browser, started, "/judge")
    visit.page.get_by_test_id("choose-a").wait_for()
    visit.page.wait_for_load_state("networkidle")
    sent = visit.kilobytes()
    visit.close()
    return sent


def _row(number: int) -> dict[str, str]:
    draw = random.Random(number)
    chinese = number % 2 == 0

    def text(longest: int) -> str:
        size = draw.randint(longest // 8, longest)
        if chinese:
            return (CHINESE * (size // len(CHINESE) + 1))[: size // 3]
        return " ".join(draw.choice(WORDS) for _ in range(size // 5))

    return {"prompt": f"{number}: {text(600)}", "first": f"1 {text(3000)}", "second": f"2 {text(3000)}"}


def _first_pair(browser: Browser, address: str) -> float:
    """A visitor with an empty cache; seconds until the first pair can be read."""
    with browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US") as context:
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.add_init_script(FIRST_PAIR)
        page.goto(address)
        return _number(page, "window.firstPairAfter") / 1000


def _judging(browser: Browser, address: str) -> tuple[list[float], int]:
    """The times of the key presses, and how many judgements the lab had stored when the page said so."""
    with browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US") as context:
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.goto(address)
        page.get_by_test_id("choose-a").wait_for()
        page.wait_for_timeout(2000)
        times = [float(time) for time in page.evaluate(JUDGE, JUDGEMENTS)]
        page.locator("[data-testid=annotator][data-state=saved]").wait_for()
        saved = page.locator(".count").inner_text().split(" of ")[0]
        return times, int(saved)


def _number(page: Page, expression: str) -> float:
    page.wait_for_function(f"{expression} !== undefined")
    return float(page.evaluate(expression))
