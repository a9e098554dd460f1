"""A class of twenty over HTTP: how long until everybody judges, how long an answer takes, and until each has their run.

Judging, submitting and asking for a run happen at once, as in a room. Runs are real ones of 60 steps, two at a time.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from typing import Any

import httpx

from lab.annotation.collections import Annotation
from lab.annotation.pairs import usual_settings
from tests.bench import lab
from tests.bench.figures import Figure, quantile

GUESTS, PAIRS = 20, 24
STEPS = int(os.environ.get("LAB_BENCH_STEPS", "60"))
PATIENCE = 1800.0
RULES = {"title": "course", "rules": [{"name": "equals_answer"}, {"name": "integer_answer"}]}


def measure() -> list[Figure]:
    """Twenty guests join, judge 24 pairs each, submit a rule set and train."""
    with lab.home() as home:
        with lab.store(home) as store:
            rows = [
                {"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(PAIRS)
            ]
            settings = usual_settings(class_comes=True)
            collection = Annotation(store).import_rows(rows, name="sums", settings=settings).collection.id
        with lab.running(home, LAB_OPEN="class", LAB_PASSWORD="bench") as started:
            return asyncio.run(_class(started.url, collection))


async def _class(url: str, collection: str) -> list[Figure]:
    waits: list[float] = []
    firsts: dict[int, float] = {}
    async with httpx.AsyncClient(base_url=url, timeout=120) as owner:
        await owner.post("/sign-in", data={"name": "", "password": "bench"})
        await owner.post("/api/class/change", json={"steps": STEPS})
        guests = [httpx.AsyncClient(base_url=url, timeout=120) for _ in range(GUESTS)]
        since = time.perf_counter()
        await asyncio.gather(*(_guest(one, n, collection, waits, firsts) for n, one in enumerate(guests)))
        judged = time.perf_counter() - since
        spread, finished = await _until_all_ran(owner, since)
        for one in guests:
            await one.aclose()
    return [
        Figure(
            f"{GUESTS} guests, {PAIRS} pairs: everybody's first pair after joining, the slowest",
            max(firsts.values()),
            "s",
            2,
        ),
        Figure(f"an answer, p95 of {len(waits)}", quantile(waits, 0.95) * 1000, "ms", 300),
        Figure(f"all {GUESTS} have judged, submitted and asked for a run after", judged, "s"),
        Figure("started runs, most − fewest of one guest while somebody waits", spread, "", 1),
        Figure(f"everybody has a run of {STEPS} steps after", finished, "s", 360),
    ]


async def _guest(
    client: httpx.AsyncClient, number: int, collection: str, waits: list[float], firsts: dict[int, float]
) -> None:
    async def timed(method: str, path: str, **sent: Any) -> httpx.Response:
        began = time.perf_counter()
        answer = await client.request(method, path, **sent)
        waits.append(time.perf_counter() - began)
        answer.raise_for_status()
        return answer

    began = time.perf_counter()
    await client.post("/sign-in/guest", data={"name": f"guest {number}"})
    hand: list[dict[str, Any]] = []
    while True:
        holding = ",".join(pair["pair"] for pair in hand)
        path = f"/api/annotate/collections/{collection}/pairs?count={6 - len(hand)}&holding={holding}"
        hand += (await timed("GET", path)).json()["pairs"]
        if not hand:
            break
        firsts.setdefault(number, time.perf_counter() - began)
        pair = hand.pop(0)
        sent = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "ab"[number % 2]}
        await timed("POST", "/api/annotate/judgements", json=sent | {"milliseconds": 900})
        await asyncio.sleep(0.2)
    while (submitted := await client.post("/api/class/rules", json=RULES)).status_code == 429:
        await asyncio.sleep(1 + random.random() / 2)  # as the page does (shared/transport.js)
    submitted.raise_for_status()
    await timed("GET", "/api/class/me")
    (await client.post("/api/class/runs", json={"preset": "tiny/grpo", "title": "course"})).raise_for_status()
    await timed("GET", "/api/class/me")


async def _until_all_ran(owner: httpx.AsyncClient, since: float) -> tuple[int, float]:
    spread = 0
    while time.perf_counter() - since < PATIENCE:
        queue = (await owner.get("/api/class")).json()["queue"]
        started = Counter({f"done {n}": 1 for n in range(queue["done"])})
        started.update(run["name_of_person"] for run in queue["running"])
        spread = max(spread, max(started.values(), default=0) - (0 if queue["waiting"] else 1))
        if queue["done"] >= GUESTS:
            return spread, time.perf_counter() - since
        await asyncio.sleep(1)
    raise RuntimeError(f"not every guest had a run after {PATIENCE:g} s")
