"""The inspector over a finished run: scrubbing, the threshold, and that a finished run is not polled.

A time runs from the event on the control until after the next frame was painted with the new state in place, so it holds the
wait for that frame: up to 17 ms at 60 Hz, whatever the page does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.example import STEPS, finished_run
from tests.bench.figures import Figure, quantile

CHANGES = 150
SETTLE = 3000  # milliseconds
IDLE = 10.0  # seconds

# One change each: `act` makes it, `done` says whether it stands. The pause before it is of random length, so that the
# changes fall anywhere within a frame, as a person's do.
TIMED = """
const root = document.querySelector("[data-testid=group-inspector]");
const painted = () => new Promise((done) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = done;
  port2.postMessage(null);
}));
const timed = async (act, done) => {
  await new Promise((next) => setTimeout(next, 60 + 40 * Math.random()));
  const started = performance.now();
  act();
  do await painted(); while (!done());
  return performance.now() - started;
};
"""

SCRUB = """async (positions) => { %s
  const slider = root.querySelector("[data-testid=step]");
  const times = [];
  for (const position of positions) {
    const act = () => { slider.value = position; slider.dispatchEvent(new Event("input", { bubbles: true })); };
    times.push(await timed(act, () => root.dataset.step === String(position + 1) && !root.getAttribute("aria-busy")));
  }
  return times;
}"""

SWITCH = """async (kinds) => { %s
  const times = [];
  for (const kind of kinds) {
    const radio = root.querySelector(`[data-testid=threshold] input[value=${kind}]`);
    times.push(await timed(() => radio.click(), () => radio.closest("label").classList.contains("on")));
  }
  return times;
}"""

FRACTION = """async (percents) => { %s
  root.querySelector("[data-testid=threshold] input[value=top_fraction]").click();
  const slider = root.querySelector("[data-testid=fraction]");
  const times = [];
  for (const percent of percents) {
    const act = () => { slider.value = percent; slider.dispatchEvent(new Event("input", { bubbles: true })); };
    times.push(await timed(act, () => root.querySelector(".percent").textContent === percent + " %%"));
  }
  return times;
}"""


def measure() -> list[Figure]:
    """All of it on one run of 150 steps, in one page."""
    with lab.home() as home:
        with lab.store(home) as store:
            run_id = finished_run(store)
        with lab.running(home) as started, chromium() as browser:
            visit = Visit(browser, started, f"/?run={run_id}")
            visit.page.get_by_test_id("completion-card").first.wait_for()
            figures = [*_scrubbing(visit.page), *_thresholds(visit.page), *_idle(visit, run_id)]
            visit.close()
    return figures


def _scrubbing(page: Page) -> list[Figure]:
    chance = random.Random(1)
    script = SCRUB % TIMED
    page.evaluate(script, list(range(0, STEPS, 16)))  # every window of lines is here now: warm
    jumps = _changing(chance, range(STEPS))
    times = page.evaluate(script, jumps)
    drag = [*range(STEPS - 1, 0, -1)]
    dragged = page.evaluate(script, drag)
    return [
        Figure(f"scrubbing, jumps, p50 of {len(times)}", quantile(times, 0.5), "ms"),
        Figure(f"scrubbing, jumps, p95 of {len(times)}", quantile(times, 0.95), "ms", 60),
        Figure(f"scrubbing, step by step, p95 of {len(dragged)}", quantile(dragged, 0.95), "ms", 60),
    ]


def _thresholds(page: Page) -> list[Figure]:
    chance = random.Random(2)
    switched = page.evaluate(SWITCH % TIMED, _changing(chance, ["all", "above_mean", "top_fraction"]))
    slid = page.evaluate(FRACTION % TIMED, _changing(chance, range(1, 101)))
    return [
        Figure(f"threshold switch, p50 of {len(switched)}", quantile(switched, 0.5), "ms"),
        Figure(f"threshold switch, p95 of {len(switched)}", quantile(switched, 0.95), "ms", 30),
        Figure(f"T slider, p95 of {len(slid)}", quantile(slid, 0.95), "ms", 30),
    ]


def _idle(visit: Visit, run_id: str) -> list[Figure]:
    page = visit.page
    page.wait_for_timeout(SETTLE)
    groups = visit.requests_while_idle(IDLE)
    page.get_by_role("tab", name="Train").click()
    page.locator(f"[data-testid=run-row][data-run='{run_id}']").click()
    page.locator(f"[data-testid=live-curves][data-step='{STEPS}']").wait_for()
    page.wait_for_timeout(SETTLE)
    train = visit.requests_while_idle(IDLE)
    return [
        Figure("finished run in Groups, requests in 10 s", groups, "", 0),
        Figure("finished run in Train, requests in 10 s", train, "", 0),
    ]


def _changing(chance: random.Random, choices: Sequence[Any]) -> list[Any]:
    """Random choices, none equal to the one before it."""
    drawn = [choices[0]]
    while len(drawn) <= CHANGES:
        if (choice := chance.choice(choices)) != drawn[-1]:
            drawn.append(choice)
    return drawn[1:]
