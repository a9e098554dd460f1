"""kill -9 of the app, of the worker, or of both, fifty times at random moments while people judge and tiny GRPO trains.

Afterwards every acknowledged judgement and every step that a watcher was told of is there, the home verifies, and no process is left.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.core.recipes import with_values
from lab.runs.run_work import requeue
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.store.verify import verify_home
from tests.bench import lab
from tests.bench.figures import Figure
from tests.bench.kills import _stored, _write

ROUNDS = int(os.environ.get("LAB_KILL_ROUNDS", "50"))
WRITERS = 4
PAIRS = 20_000
ORPHAN_SECONDS = 30.0


def measure() -> list[Figure]:
    """The same home all the way; a run that a kill has ended is resumed by the next round."""
    draw, acknowledged, told = random.Random(2), list[str](), set[int]()
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": 100_000, "save_every": 5, "measure_samples": 0})
    kinds = {"app": 0, "worker": 0, "both": 0}
    with lab.home() as home:
        with lab.store(home) as store:
            rows = (
                {"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(PAIRS)
            )
            settings = CollectionSettings(overlap=WRITERS, seed=1)
            collection = Annotation(store).import_rows(rows, name="sums", settings=settings).collection.id
            run = store.create_run(recipe).id
        missing = 0
        for _ in range(ROUNDS):
            with lab.running(home, LAB_OPEN="annotate", LAB_SPARE_WORKER="0") as started, lab.store(home) as store:
                _go_on(store, run)
                kind = draw.choice(list(kinds))
                asyncio.run(
                    _until_killed(started, store, run, collection, kind, draw.uniform(1, 6), acknowledged, told)
                )
                kinds[kind] += 1
                missing += len(told - {line["step"] for line in store.folder(run).metrics().lines})
                told.clear()  # a resume drops the steps beyond its checkpoint, and says so
        left = _left(home)
        stored = _stored(home)
        wrong = [finding for finding in verify_home(home) if not finding.ok]
    return [
        Figure(
            "kills: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()),
            sum(kinds.values()),
            "",
            at_least=ROUNDS,
        ),
        Figure(
            f"of {len(acknowledged)} acknowledged judgements, not there",
            sum(one not in stored for one in acknowledged),
            "",
            0,
        ),
        Figure("judgements there twice", sum(count - 1 for count in stored.values()), "", 0),
        Figure("steps that a watcher was told of and are not there", missing, "", 0),
        Figure("findings of the check of the home", len(wrong), "", 0),
        Figure(f"processes left after {ORPHAN_SECONDS:g} s", left, "", 0),
    ]


def _go_on(store: Store, run: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = store.run(run).state
        if state.resumable:
            requeue(store, run)
        if state is RunState.RUNNING and len(store.folder(run).recent_metrics()) > 0:
            return
        time.sleep(0.2)


async def _until_killed(
    started: lab.RunningLab,
    store: Store,
    run: str,
    collection: str,
    kind: str,
    seconds: float,
    acknowledged: list[str],
    told: set[int],
) -> None:
    clients = [httpx.AsyncClient(base_url=started.url, timeout=30) for _ in range(WRITERS)]
    for number, client in enumerate(clients):
        await client.post("/sign-in/guest", data={"name": f"guest {number}"})
    tasks = [asyncio.create_task(_write(client, collection, acknowledged)) for client in clients]
    watcher = asyncio.create_task(_watch(clients[0], run, told))
    await asyncio.sleep(seconds)
    pid = store.run(run).pid
    if kind in ("worker", "both") and pid:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    if kind in ("app", "both"):
        started.process.kill()
    else:
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    for client in clients:
        await client.aclose()


async def _watch(client: httpx.AsyncClient, run: str, told: set[int]) -> None:
    from json import loads

    with suppress(httpx.TransportError):
        async with client.stream("GET", f"/api/runs/{run}/events") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    frame = loads(line[6:])
                    if frame["reset"]:
                        told.clear()
                    told.update(each["step"] for each in frame["metrics"] if "step" in each)


def _left(home: Path) -> int:
    """Processes that still name the home, after they have had their time; a worker ends with its run, which the bench has stopped."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (count := sum(str(home) in line for line in _command_lines())) and time.monotonic() < deadline:
        time.sleep(0.5)
    return count


def _command_lines() -> Iterable[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid():
                yield " ".join(process.cmdline())
