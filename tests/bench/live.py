"""A run by a click: the tiny GRPO preset as it is, from Start to the first group on screen, and how fresh the curves are."""

from __future__ import annotations

import time

from playwright.sync_api import Page

from lab.store.run_folder import RunFolder
from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, quantile

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
    """Start, see the first step, open its group; then watch the curves for a while, and stop the run."""
    with lab.home() as home, lab.running(home) as started, chromium() as browser:
        visit = Visit(browser, started)
        visit.seconds_until_usable()
        page = visit.page
        clicked = time.perf_counter()
        page.locator("#start").click()
        first_step = page.locator("[data-testid=live-curves]:not([data-step='']):not([data-step='0'])[data-step]")
        first_step.wait_for()
        step_shown = time.perf_counter() - clicked
        page.locator("#open-groups").click()
        page.get_by_test_id("completion-card").first.wait_for()
        group_shown = time.perf_counter() - clicked
        run_id = page.get_by_test_id("group-inspector").get_attribute("data-run") or ""
        folder = RunFolder(home / "runs" / run_id)
        measuring = sum(line["seconds"] for line in folder.metrics().lines if "held_out" in line)
        latencies = _latencies(page, folder)
        peak = started.peak_memory()
        elsewhere = len(visit.elsewhere())
        visit.close()
    return [
        Figure("click on Start → first step in the curves", step_shown, "s"),
        Figure("of that, measuring the start on held-out problems", measuring, "s"),
        Figure("click on Start → first group on screen", group_shown, "s", 20),
        Figure(f"metric written → in the curves, p50 of {len(latencies)}", quantile(latencies, 0.5), "s"),
        Figure(f"metric written → in the curves, p95 of {len(latencies)}", quantile(latencies, 0.95), "s", 1),
        Figure("page process, most memory while a run is watched", peak, "MB", 300),
        Figure("requests to another host", elsewhere, "", 0),
    ]


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
