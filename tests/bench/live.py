"""A run by a click: the tiny GRPO preset as it is, from Start to the first group on screen, and how fresh the curves are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from lab.store.run_folder import RunFolder
from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, quantile
from tests.bench.lab import RunningLab

WATCHED = 12_000  # milliseconds of live curves

# When the charts were drawn, and up to which step: the step stands on the component, a drawing changes its figures.
NOTE_STEPS = """() => {
  const curves = document.querySelector("[data-testid=live-curves]");
  window.stepsSeen = [];
  new MutationObserver((changes) => {
    if (!changes.some(({ target }) => target instanceof Element && target.closest("figure"))) return;
    const step = Number(curves.dataset.step);
    requestAnimationFrame(() => window.stepsSeen.push([step, Date.now() / 1000]));
  }).observe(curves, { subtree: true, attributes: true, childList: true });
}"""


def measure() -> list[Figure]:
    """Start, go to the first group and back to the first step; then watch the curves for a while, and stop the run.

    Once as soon as the page can be used, when no worker has its libraries loaded yet, and once when one has, which is what a person meets
    who has looked at the page for some seconds.
    """
    group_at_once, _ = _until_shown(waits=False, then=lambda *_: None)
    group_shown, (step_shown, *watched) = _until_shown(waits=True, then=_watch)
    measuring, latencies, peak, elsewhere = watched
    return [
        Figure("click on Start → first group on screen, as soon as the page can be used", group_at_once, "s", 20),
        Figure("click on Start → first group on screen, a worker waits", group_shown, "s", 3),
        Figure("click on Start → first step in the curves, a worker waits", step_shown, "s"),
        Figure("of that, measuring the start on held-out problems", measuring, "s"),
        Figure(f"metric written → in the curves, p50 of {len(latencies)}", quantile(latencies, 0.5), "s"),
        Figure(f"metric written → in the curves, p95 of {len(latencies)}", quantile(latencies, 0.95), "s", 1),
        Figure("page process, most memory while a run is watched", peak, "MB", 300),
        Figure("requests to another host", elsewhere, "", 0),
    ]


def _until_shown(*, waits: bool, then: Callable[[Path, RunningLab, Visit, float], Any]) -> tuple[float, Any]:
    """The seconds from the click to the first group of a fresh lab's first run, and what ``then`` finds afterwards."""
    with lab.home() as home, lab.running(home) as started, chromium() as browser:
        visit = Visit(browser, started)
        visit.seconds_until_usable()
        if waits:
            started.wait_for_standby()
        clicked = time.perf_counter()
        visit.page.locator("#start").click()
        visit.page.locator("#open-groups").click()
        visit.page.get_by_test_id("completion-card").first.wait_for()
        group_shown = time.perf_counter() - clicked
        found = then(home, started, visit, clicked)
        visit.close()
        return group_shown, found


def _watch(
    home: Path, started: RunningLab, visit: Visit, clicked: float
) -> tuple[float, float, list[float], float, int]:
    """The first step's seconds since the click, those of measuring the start, the curves' latencies, memory, and requests elsewhere."""
    page = visit.page
    first_step = page.locator("[data-testid=live-curves]:not([data-step='']):not([data-step='0'])[data-step]")
    page.get_by_role("tab", name="Train").click()
    first_step.wait_for()
    step_shown = time.perf_counter() - clicked
    page.get_by_role("tab", name="Groups").click()
    run_id = page.get_by_test_id("group-inspector").get_attribute("data-run") or ""
    folder = RunFolder(home / "runs" / run_id)
    measuring = sum(line["seconds"] for line in folder.metrics().lines if "held_out" in line and not line["step"])
    latencies = _latencies(page, folder)
    peak = started.peak_memory()
    elsewhere = len(visit.elsewhere())
    return step_shown, measuring, latencies, peak, elsewhere


def _latencies(page: Page, folder: RunFolder) -> list[float]:
    """Seconds from the time in a metrics line until the curves showed its step."""
    page.get_by_role("tab", name="Train").click()
    page.get_by_test_id("live-curves").wait_for()
    page.wait_for_timeout(2000)
    page.evaluate(NOTE_STEPS)
    since = time.time()
    page.wait_for_timeout(WATCHED)
    seen: list[tuple[int, float]] = page.evaluate("window.stepsSeen")
    latencies = []
    for line in folder.metrics().lines:
        if "held_out" in line or line.get("time", 0) < since:
            continue
        if (shown := next((at for step, at in seen if step >= line["step"]), None)) is not None:
            latencies.append(shown - line["time"])
    if not latencies:
        raise RuntimeError("no step was written and shown while the curves were watched")
    return latencies
