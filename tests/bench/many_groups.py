"""100,000 recorded groups: how long until the first group is on screen, and how quickly one scrubs through them.

The run is written as a worker writes it, so that its index lies beside the file. The server starts afterwards, and knows nothing of it.
"""

from __future__ import annotations

import random
import time

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, quantile
from tests.bench.groups import SCRUB, TIMED

STEPS, GROUPS = 12_500, 8
JUMPS = 80
OPENS = 3


def measure() -> list[Figure]:
    """The index from the folder, then the page over it."""
    from lab.store.run_folder import RunFolder

    with lab.home() as home:
        with lab.store(home) as store:
            run_id = _written(store)
        folder = home / "runs" / run_id
        started = time.perf_counter()
        count = len(RunFolder(folder).groups_index().rows)
        opened = time.perf_counter() - started
        with lab.running(home) as running, chromium() as browser:
            times, loads = [], []
            for _ in range(OPENS):
                visit = Visit(browser, running, "/?tab=train")
                card = visit.page.get_by_test_id("completion-card").first
                visit.page.locator("#open-groups:enabled").wait_for()
                started = time.perf_counter()
                visit.page.locator("#open-groups").click()
                card.wait_for()
                times.append(time.perf_counter() - started)
                started = time.perf_counter()
                visit.page.goto(f"{running.url}/?run={run_id}")
                card.wait_for()
                loads.append(time.perf_counter() - started)
                if len(times) < OPENS:
                    visit.close()
            scrubs = visit.page.evaluate(SCRUB % TIMED, _places())
            visit.close()
    return [
        Figure(f"{count:,} groups, index from beside the file", opened, "s"),
        Figure(f"{count:,} groups, Open its groups → first group, worst of {OPENS}", max(times), "s", 2),
        Figure(f"{count:,} groups, address of the run → first group, worst of {OPENS}", max(loads), "s"),
        Figure(
            f"{count:,} groups, scrubbing within a window, p95 of {len(scrubs)}",
            quantile(scrubs[JUMPS // 4 :], 0.95),
            "ms",
            60,
        ),
    ]


def _places() -> list[int]:
    """Steps near each other, as a person scrubs: the first quarter warms up."""
    chance, place = random.Random(4), STEPS // 2
    places = []
    while len(places) < JUMPS:
        place = max(0, min(STEPS - 1, place + chance.choice((-3, -2, -1, 1, 2, 3))))
        places.append(place)
    return places


def _written(store: object) -> str:
    """A finished run of 12,500 steps and 8 small groups a step."""
    from lab.core.recipes import GrpoRecipe
    from lab.store.runs import RunState, Store

    assert isinstance(store, Store)
    run = store.create_run(GrpoRecipe(name="long", steps=STEPS, group_size=2, batch_size=16))
    folder, chance = store.folder(run.id), random.Random(1)
    threshold = {"kind": "all", "fraction": 0.2}
    for step in range(1, STEPS + 1):
        for number in range(GROUPS):
            rewards = [float(chance.random() < 0.5), float(chance.random() < 0.5)]
            mean = sum(rewards) / 2
            completions = [
                {
                    "text": f"x = {chance.randrange(9)}", "tokens": 5, "truncated": False, "scores": {"equals_answer": reward}, "reward": reward,
                    "advantage": reward - mean, "kept": True, "why_dropped": None, "logp": -1.0, "ref_logp": None,
                }
                for reward in rewards
            ]  # fmt: skip
            prompt = f"{chance.randrange(2, 9)}x + {chance.randrange(9)} = {chance.randrange(9, 80)}"
            about = {
                "mean": mean,
                "std": abs(rewards[0] - mean) * 2**0.5,
                "threshold": threshold,
                "completions": completions,
            }
            folder.append(
                "groups", {"version": 1, "step": step, "group": number, "prompt": prompt, "answer": "5", **about}
            )
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=time.time())
    return run.id
