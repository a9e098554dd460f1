"""A file of 200,000 preferences taken in: seconds until the collection is there, and what the process that asks holds above idle.

The file (41 MB of JSON lines) is read in a process of its own, whose most is the second figure of memory; what people who judge meanwhile
wait for is the time that storing takes, for it is one transaction.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from lab.annotation.collections import Annotation
from tests.bench import lab
from tests.bench.figures import Figure

ROWS = 200_000
EVERY = 0.05
"""Seconds from one look at the memory to the next."""


def measure() -> list[Figure]:
    """One import into an empty lab, in this process, which holds no page."""
    with lab.home() as home, lab.store(home) as store:
        annotation = Annotation(store)
        path = _written(home / "rows.jsonl")
        annotation.import_rows(
            [{"prompt": "p", "first": "a", "second": "b"}], name="warm"
        )  # what is loaded once is no part of it
        with _watched() as most:
            started = time.perf_counter()
            with annotation.pairs_file(path, keep=True) as file:
                for _ in file.read():
                    pass
                read = time.perf_counter()
                done = annotation.take_file(file)
            stored = time.perf_counter()
        assert done.taken == ROWS
    return [
        Figure(f"import of {ROWS:,} rows", stored - started, "s", at_most=60),
        Figure("of these, storing", stored - read, "s"),
        Figure("memory above idle, asking process", most["own"] / lab.MB, "MB", at_most=300),
        Figure("memory of the reading process", most["reader"] / lab.MB, "MB"),
    ]


def _written(path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for n in range(ROWS):
            row = {
                "prompt": f"What is {n} plus one? Say how you got there, in a sentence or two.",
                "chosen": f"It is {n + 1}. " + "because " * 5,
                "rejected": f"It is {n}. " + "since " * 5,
            }
            file.write(json.dumps(row) + "\n")
    return path


@contextmanager
def _watched() -> Iterator[dict[str, int]]:
    """The most memory while it lasts: ``own`` above what it was, ``reader`` of the child."""
    own, ended = psutil.Process(), threading.Event()
    idle, most = own.memory_info().rss, {"own": 0, "reader": 0}

    def look() -> None:
        while not ended.wait(EVERY):
            most["own"] = max(most["own"], own.memory_info().rss - idle)
            for child in own.children():
                with suppress(psutil.Error):
                    most["reader"] = max(most["reader"], child.memory_info().rss)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()
