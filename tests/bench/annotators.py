"""Thirty people judge without a pause: how many judgements are saved a second, how long each waits, and whether any is lost."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from tests.bench import lab
from tests.bench.figures import Figure, quantile
from tests.bench.light_http import Line

ANNOTATORS = 30
SECONDS = float(os.environ.get("LAB_BENCH_SECONDS", "60"))
PAIRS = 30_000
OVERLAP = 2
FETCHED, LOW = 8, 4
"""Pairs that are asked for at once, and the number in hand below which more are."""
CHOICES = ("a", "b", "a", "b", "a", "b", "tie", "both_bad")


@dataclass
class Person:
    """One annotator in a browser: what they have in hand, what was saved, how long it took."""

    line: Line
    another: Line
    """For pairs that come while a judgement is on its way."""
    hand: list[dict[str, Any]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    saved: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    fetching: asyncio.Task[None] | None = None


def measure() -> list[Figure]:
    """Guests on a lab that is open to them, over HTTP; then every answer that said "saved" is looked for in the database."""
    with lab.home() as home:
        with lab.store(home) as store:
            rows = (
                {"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(PAIRS)
            )
            settings = CollectionSettings(overlap=OVERLAP, seed=1)
            collection = Annotation(store).import_rows(rows, name="sums", settings=settings).collection.id
        with lab.running(home, LAB_OPEN="annotate", LAB_SPARE_WORKER="0") as started:  # as after its first seconds
            cpu, since = started.cpu_seconds(), time.perf_counter()
            people = asyncio.run(_all(started.url, collection))
            seconds = time.perf_counter() - since
            busy = (started.cpu_seconds() - cpu) / seconds * 100
        waits = [wait for person in people for wait in person.waits]
        wrong = _wrong(home, people)
    saves = len(waits) / SECONDS
    return [
        Figure(f"{ANNOTATORS} annotators without a pause for {SECONDS:g} s, saves a second", saves, "", at_least=150),
        Figure(f"key → saved over HTTP, p50 of {len(waits)}", quantile(waits, 0.5) * 1000, "ms"),
        Figure(f"key → saved over HTTP, p95 of {len(waits)}", quantile(waits, 0.95) * 1000, "ms", 200),
        Figure("page process meanwhile, of a core", busy, "%"),
        *(Figure(name, count, "", 0) for name, count in wrong.items()),
    ]


async def _all(url: str, collection: str) -> list[Person]:
    people = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as door:
        for number in range(ANNOTATORS):
            door.cookies.clear()
            answer = await door.post("/sign-in/guest", data={"name": f"guest {number}"})
            if answer.status_code != 303:
                raise RuntimeError(f"a guest was not let in: {answer.status_code} {answer.text[-500:]}")
            cookies = "; ".join(f"{name}={value}" for name, value in door.cookies.items())
            people.append(Person(Line(url, cookies), Line(url, cookies)))
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(_judge(person, collection, until, number) for number, person in enumerate(people)))
    for person in people:
        person.line.close()
        person.another.close()
    return people


async def _judge(person: Person, collection: str, until: float, seed: int) -> None:
    draw = random.Random(seed)
    while time.perf_counter() < until:
        if len(person.hand) < LOW and person.fetching is None:
            person.fetching = asyncio.create_task(_fetch(person, collection))
        if not person.hand:
            assert person.fetching is not None
            await person.fetching
            if not person.hand:
                raise RuntimeError("the pairs ran out")
        pair = person.hand.pop(0)
        said = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": draw.choice(CHOICES)}
        since = time.perf_counter()
        answer = await person.line.ask("POST", "/api/annotate/judgements", {**said, "milliseconds": 900})
        person.waits.append(time.perf_counter() - since)
        assert answer["saved"] is True
        person.saved[pair["shown"]] = pair["pair"]
    if person.fetching is not None:
        await person.fetching


async def _fetch(person: Person, collection: str) -> None:
    holding = ",".join(dict.fromkeys([pair["pair"] for pair in person.hand] + person.shown[-2 * FETCHED :]))
    path = f"/api/annotate/collections/{collection}/pairs?count={FETCHED}&holding={quote(holding)}"
    found = (await person.another.ask("GET", path))["pairs"]
    person.shown += [pair["pair"] for pair in found]
    person.hand += found
    person.fetching = None


def _wrong(home: Path, people: list[Person]) -> dict[str, int]:
    """What must not happen, counted: from the answers that the people got, and from the events on disk."""
    database = sqlite3.connect(home / "lab.db")
    try:
        stored = Counter(row[0] for row in database.execute("SELECT id FROM judgements"))
    finally:
        database.close()
    saved = [uuid for person in people for uuid in person.saved]
    shown = Counter(pair for person in people for pair in person.shown)
    twice = sum(count - 1 for person in people for count in Counter(person.shown).values())
    return {
        "acknowledged judgements that are not on disk": sum(uuid not in stored for uuid in saved),
        "judgements on disk twice": sum(count - 1 for count in stored.values()),
        "pairs given to one person twice": twice,
        f"pairs given to more than {OVERLAP} people": sum(count > OVERLAP for count in shown.values()),
    }
