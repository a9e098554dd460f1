"""Thirty annotators and thirty watchers while tiny GRPO trains: what is lost, how long a save takes, how old a metric is, what training pays.

The load comes and goes in equal windows of one run, so that training with it and without it is compared on the same machine at the same time.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.core.recipes import with_values
from lab.store.presets import load_preset
from lab.store.runs import Store
from tests.bench import lab
from tests.bench.figures import Figure, quantile
from tests.bench.light_http import Line
from tests.bench.watchers import WATCHERS, _listen, _wait_for_steps

ANNOTATORS = 30
SECONDS = float(os.environ.get("LAB_BENCH_SECONDS", "300"))
"""Under load, all windows together; as many without."""
WINDOWS = 5
PAIRS = 20_000
PAUSE = (1.0, 3.0)
"""Seconds between two judgements of one person: quick for a person."""


@dataclass
class Seen:
    """What the people saw."""

    waits: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    loaded: list[tuple[float, float]] = field(default_factory=list)
    """When the load was on, from and to, seconds since 1970."""


def measure() -> list[Figure]:
    """A real run from its first step to the end of the last window."""
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": 100_000, "save_every": 1000, "measure_samples": 0})
    with lab.home() as home, lab.store(home) as store:
        rows = ({"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(PAIRS))
        collection = (
            Annotation(store)
            .import_rows(rows, name="sums", settings=CollectionSettings(overlap=2, seed=1))
            .collection.id
        )
        run = store.create_run(recipe)
        with lab.running(home, LAB_OPEN="annotate", LAB_PASSWORD="of the bench") as started:
            _wait_for_steps(store, run.id)
            seen = asyncio.run(_all(started.url, collection, run.id))
        alone, loaded = _rates(store, run.id, seen.loaded)
        lost = _lost(home, seen.saved)
        print(*Counter(seen.errors).most_common(5), sep="\n", file=sys.stderr)
    return [
        Figure(f"save under load, p50 of {len(seen.waits)}", quantile(seen.waits, 0.5) * 1000, "ms"),
        Figure(f"save under load, p95 of {len(seen.waits)}", quantile(seen.waits, 0.95) * 1000, "ms", 500),
        Figure(f"metric written → at a watcher, p95 of {len(seen.ages)}", quantile(seen.ages, 0.95), "s", 1.5),
        Figure(f"of {len(seen.saved)} acknowledged judgements, not on disk", lost, "", 0),
        Figure("requests that failed", len(seen.errors), "", 0),
        Figure("training without the load", alone, "steps/s"),
        Figure("training takes longer under load by", (alone / loaded - 1) * 100, "%", 15),
    ]


async def _all(url: str, collection: str, run_id: str) -> Seen:
    seen, cookies = Seen(), []
    async with httpx.AsyncClient(base_url=url, timeout=30) as door:
        for number in range(ANNOTATORS):
            door.cookies.clear()
            answer = await door.post("/sign-in/guest", data={"name": f"guest {number}"})
            cookies.append("; ".join(f"{name}={value}" for name, value in door.cookies.items()))
            if answer.status_code != 303:
                raise RuntimeError(f"a guest was not let in: {answer.status_code}")
    for _ in range(WINDOWS):
        await asyncio.sleep(SECONDS / WINDOWS)
        since = time.time()
        await _window(url, collection, run_id, cookies, seen)
        seen.loaded.append((since, time.time()))
    await asyncio.sleep(SECONDS / WINDOWS)
    return seen


async def _window(url: str, collection: str, run_id: str, cookies: list[str], seen: Seen) -> None:
    until = time.perf_counter() + SECONDS / WINDOWS
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=httpx.Timeout(30), limits=limits, headers={"Cookie": cookies[0]}) as client:
        address = f"{url}/api/runs/{run_id}/events"
        cursor = (await client.get(address, headers={"Accept": "application/json"})).json()["cursor"]
        watchers = [
            asyncio.create_task(_listen(client, address, time.time() + 3, seen.ages, cursor)) for _ in range(WATCHERS)
        ]
        people = [_judge(Line(url, cookie), collection, until, number, seen) for number, cookie in enumerate(cookies)]
        await asyncio.gather(*people)
        seen.errors += [f"a watcher was let go: {watcher.exception()!r}" for watcher in watchers if watcher.done()]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _judge(line: Line, collection: str, until: float, seed: int, seen: Seen) -> None:
    draw = random.Random(f"{seed} {until}")
    hand: list[dict[str, str]] = []
    while time.perf_counter() < until:
        await asyncio.sleep(draw.uniform(*PAUSE))
        try:
            if not hand:
                hand = (await line.ask("GET", f"/api/annotate/collections/{collection}/pairs?count=6"))["pairs"]
            pair = hand.pop(0)
            said = {
                "id": pair["shown"],
                "pair": pair["pair"],
                "collection": collection,
                "choice": draw.choice(["a", "b", "tie"]),
            }
            since = time.perf_counter()
            answer = await line.ask("POST", "/api/annotate/judgements", {**said, "milliseconds": 1500})
            seen.waits.append(time.perf_counter() - since)
            if answer["saved"]:
                seen.saved.append(pair["shown"])
        except (RuntimeError, OSError, EOFError, IndexError) as error:
            seen.errors.append(repr(error))
    line.close()


def _rates(store: Store, run_id: str, loaded: list[tuple[float, float]]) -> tuple[float, float]:
    """Steps a second without and under the load, of whole windows; a step belongs to the window in which it ended."""
    times = [line["time"] for line in store.folder(run_id).metrics().lines if "step" in line]
    quiet = [(loaded[number][1], loaded[number + 1][0]) for number in range(len(loaded) - 1)]
    rates = []
    for windows in (quiet, loaded):
        steps = sum(begins + 2 <= when < ends for begins, ends in windows for when in times)
        rates.append(steps / sum(ends - begins - 2 for begins, ends in windows))
    return rates[0], rates[1]


def _lost(home: Path, saved: list[str]) -> int:
    database = sqlite3.connect(home / "lab.db")
    try:
        stored = {row[0] for row in database.execute("SELECT id FROM judgements")}
    finally:
        database.close()
    return sum(uuid not in stored for uuid in saved)
