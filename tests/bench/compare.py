"""Compare: eight runs of 100,000 points change their axis, and a study is on screen after the page was asked for.

The change of the axis runs from the click until plotly has drawn the new axis' title.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, quantile

RUNS, POINTS = 8, 100_000
AXES = ("Steps", "Seconds", "Tokens")
CHANGES = 18

TURN = """async (label) => {
  const radio = [...document.querySelectorAll("#compare-axis label")].find((one) => one.textContent.trim() === label);
  const title = () => document.querySelector("#compare-curves .xtitle")?.textContent || "";
  const before = title();
  const started = performance.now();
  radio.click();
  while (title() === before) await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - started;
}"""


def measure() -> list[Figure]:
    """The axis with many points, then the recorded study where the lab ships one."""
    with lab.home() as home:
        ids = _written(home)
        with lab.running(home) as running, chromium() as browser:
            visit = Visit(browser, running, "/?tab=train")
            page = visit.page
            page.locator("[data-testid=run-row]").first.wait_for()
            for run_id in ids:
                page.locator(f"li:has([data-run='{run_id}']) input.tick").check()
            page.get_by_role("button", name="Compare", exact=True).click()
            page.locator("#verdict").wait_for()
            page.locator("#compare-measure input").click()
            page.get_by_role("option", name="Reward while training").click()
            page.locator("#compare-curves .xtitle").wait_for()
            page.wait_for_timeout(3000)
            times = [page.evaluate(TURN, AXES[number % len(AXES)]) for number in range(CHANGES)]
            visit.close()
            shown = _recorded(browser, running)
    figures = [
        Figure(f"{RUNS} runs × {POINTS:,} points, axis changed, median", quantile(times, 0.5), "ms", 300),
        Figure(f"{RUNS} runs × {POINTS:,} points, axis changed, worst of {len(times)}", max(times), "ms"),
    ]
    return [
        *figures,
        *_opened(shown),
    ]


def _opened(times: list[tuple[float, float]]) -> list[Figure]:
    """The study on screen, from the address and from the moment when the page's tabs can be clicked; best of the visits."""
    if not times:
        return []
    page, study = min(times, key=lambda one: one[1])
    return [
        Figure("recorded study on screen after the page was asked for, best of 3", study, "s"),
        Figure("recorded study on screen after the page's tabs, best of 3", min(b - a for a, b in times), "s", 2),
        Figure("page's tabs after it was asked for, in the best visit", page, "s"),
    ]


def _recorded(browser: object, running: lab.RunningLab) -> list[tuple[float, float]]:
    """Seconds until the page's tabs and until the study are there, of each visit."""
    from lab.compare.recorded import recorded_studies

    if not recorded_studies():
        return []
    times = []
    for _ in range(3):
        started = time.perf_counter()
        visit = Visit(browser, running, "/?tab=compare")  # type: ignore[arg-type]
        visit.page.locator("#tabs [role=tab]").first.wait_for()
        page = time.perf_counter() - started
        visit.page.locator("#compare-curves .xtitle").wait_for()
        times.append((page, time.perf_counter() - started))
        visit.close()
    return times


def _written(home: Path) -> list[str]:
    """Eight finished runs whose metrics.jsonl has a line for each of 100,000 steps."""
    from lab.core.recipes import GrpoRecipe
    from lab.store.lines import dump
    from lab.store.runs import RunState

    ids = []
    with lab.store(home) as store:
        for number in range(RUNS):
            recipe = GrpoRecipe(name=f"run {number + 1}", steps=POINTS, learning_rate=1e-3 * (number + 1))
            run = store.create_run(recipe)
            chance, folder = random.Random(number), store.folder(run.id)
            with (folder.path / "metrics.jsonl").open("wb") as file:
                for step in range(1, POINTS + 1):
                    reward = step / POINTS + chance.gauss(0, 0.1)
                    line = {
                        "step": step,
                        "time": 1.79e9 + step * 0.1,
                        "seconds": 0.1,
                        "reward": reward,
                        "tokens_generated": 9 * step,
                        "tokens_trained": 9 * step,
                    }
                    file.write(dump(line) + b"\n")
            after = {"pass_at_1": 0.5 + number / 20, "reward": 1.0, "samples": 256}
            folder.write(
                "result.json",
                {
                    "state": "finished",
                    "error": None,
                    "before": after,
                    "after": after,
                    "seconds": POINTS / 10,
                    "steps": POINTS,
                },
            )
            store.change(run.id, state=RunState.FINISHED, started=run.created, ended=run.created + 1)
            ids.append(run.id)
    return ids
