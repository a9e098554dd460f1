"""Thirty people watch one live run: what that costs the server, and how fresh what they see is."""

from __future__ import annotations

import asyncio
import json
import time

import httpx

from lab.core.recipes import with_values
from lab.store.presets import load_preset
from lab.store.runs import Store
from tests.bench import lab
from tests.bench.figures import Figure, quantile

WATCHERS = 30
WINDOW = 15.0  # seconds; the server alone is measured so long before and after
SETTLE = 3.0  # seconds in which watchers catch up with what was written before they came
PATIENCE = 120.0


def measure() -> list[Figure]:
    """A real run of the tiny GRPO preset, first unwatched, then watched, then unwatched again."""
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": 100_000, "save_every": 1000, "measure_samples": 0})
    with lab.home() as home, lab.store(home) as store:
        run = store.create_run(recipe)
        with lab.running(home) as started:
            _wait_for_steps(store, run.id)
            alone = _percent(started, WINDOW)
            watched, latencies = asyncio.run(_watch(started, run.id))
            time.sleep(SETTLE)
            alone = (alone + _percent(started, WINDOW)) / 2
            peak = started.peak_memory()
    return [
        Figure("page process beside a live run, unwatched, of a core", alone, "%"),
        Figure(f"{WATCHERS} watchers of it, of a core, beyond that", watched - alone, "%", 10),
        Figure(f"metric written → at a watcher, p50 of {len(latencies)}", quantile(latencies, 0.5), "s"),
        Figure(f"metric written → at a watcher, p95 of {len(latencies)}", quantile(latencies, 0.95), "s", 1),
        Figure(f"page process, most memory with {WATCHERS} watchers", peak, "MB", 300),
    ]


def _wait_for_steps(store: Store, run_id: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(store.folder(run_id).recent_metrics()) < 3:
        if store.run(run_id).state.ended or time.monotonic() > deadline:
            raise RuntimeError(f"the run took no steps: {store.folder(run_id).log().text[-2000:]}")
        time.sleep(0.2)


def _percent(started: lab.RunningLab, seconds: float) -> float:
    """Of one core, over so many seconds."""
    before, since = started.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    return (started.cpu_seconds() - before) / (time.perf_counter() - since) * 100


async def _watch(started: lab.RunningLab, run_id: str) -> tuple[float, list[float]]:
    """The server's share of a core while all watch, and each metric's way to each watcher in seconds."""
    latencies: list[float] = []
    fresh = time.time() + SETTLE
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=httpx.Timeout(30), limits=limits) as client:
        address = f"{started.url}/api/runs/{run_id}/events"
        watchers = [asyncio.create_task(_listen(client, address, fresh, latencies)) for _ in range(WATCHERS)]
        await asyncio.sleep(SETTLE)
        percent = await asyncio.to_thread(_percent, started, WINDOW)
        gone = [watcher for watcher in watchers if watcher.done()]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    if gone or not latencies:
        raise RuntimeError(f"{len(gone)} of {WATCHERS} watchers were let go, {len(latencies)} metrics came")
    return percent, latencies


async def _listen(
    client: httpx.AsyncClient, address: str, fresh: float, latencies: list[float], cursor: str = ""
) -> None:
    """Read one stream; note how old each step's metrics are when they come, once the first ones are in. With a ``cursor`` as a browser
    that was there before comes back: it has the run's history."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": cursor} if cursor else {})
    async with client.stream("GET", address, headers=headers) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: "):
                continue
            now = time.time()
            for metric in json.loads(line.removeprefix("data: "))["metrics"]:
                if metric.get("time", 0) > fresh:
                    latencies.append(now - metric["time"])
