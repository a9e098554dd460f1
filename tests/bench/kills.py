"""kill -9 of the whole app amid sixteen people who save, twenty times over: what was acknowledged and is not there afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import Counter
from pathlib import Path

import httpx

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from tests.bench import lab
from tests.bench.figures import Figure

ROUNDS = int(os.environ.get("LAB_KILL_ROUNDS", "20"))
WRITERS = 16
PAIRS = 20_000


def measure() -> list[Figure]:
    """The same home all the way; each round's start finds what the kill before left."""
    draw = random.Random(1)
    acknowledged: list[str] = []
    kills = 0
    with lab.home() as home:
        with lab.store(home) as store:
            rows = (
                {"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(PAIRS)
            )
            settings = CollectionSettings(overlap=WRITERS, seed=1)
            collection = Annotation(store).import_rows(rows, name="sums", settings=settings).collection.id
        for _ in range(ROUNDS):
            with lab.running(home, LAB_OPEN="annotate") as started:
                before = len(acknowledged)
                asyncio.run(_until_killed(started, collection, draw.uniform(0.3, 1.5), acknowledged))
                kills += len(acknowledged) > before
        stored = _stored(home)
    return [
        Figure(
            f"kill -9 amid {WRITERS} who save, rounds in which something had been saved", kills, "", at_least=ROUNDS
        ),
        Figure(
            f"of {len(acknowledged)} acknowledged judgements, not there afterwards",
            sum(one not in stored for one in acknowledged),
            "",
            0,
        ),
        Figure("judgements there twice", sum(count - 1 for count in stored.values()), "", 0),
    ]


async def _until_killed(started: lab.RunningLab, collection: str, seconds: float, acknowledged: list[str]) -> None:
    """All write; the app is killed so many seconds after the first answer."""
    limits = httpx.Limits(keepalive_expiry=2)
    clients = [httpx.AsyncClient(base_url=started.url, timeout=30, limits=limits) for _ in range(WRITERS)]
    for number, client in enumerate(clients):
        answer = await client.post("/sign-in/guest", data={"name": f"guest {number}"})
        if answer.status_code != 303:
            raise RuntimeError(f"a guest was not let in: {answer.status_code} {answer.text[-500:]}")
    tasks = [asyncio.create_task(_write(client, collection, acknowledged)) for client in clients]
    first = len(acknowledged)
    while len(acknowledged) == first:
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    started.process.kill()
    await asyncio.gather(*tasks)
    for client in clients:
        await client.aclose()


async def _write(client: httpx.AsyncClient, collection: str, acknowledged: list[str]) -> None:
    try:
        while True:
            found = await client.get(f"/api/annotate/collections/{collection}/pairs", params={"count": 8})
            found.raise_for_status()
            for pair in found.json()["pairs"]:
                said = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "a"}
                answer = await client.post("/api/annotate/judgements", json=said)
                answer.raise_for_status()
                if answer.json()["saved"]:
                    acknowledged.append(pair["shown"])
    except httpx.TransportError:
        return  # it was killed; what was on its way was not acknowledged


def _stored(home: Path) -> Counter[str]:
    database = sqlite3.connect(home / "lab.db")
    try:
        return Counter(row[0] for row in database.execute("SELECT id FROM judgements"))
    finally:
        database.close()
