"""The one writer: what is acknowledged is committed, one bad work spoils no other, and a full disk is said."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from lab.errors import MachineError, StateError
from lab.store.runs import Store


@pytest.fixture
def store(lab_home: Path) -> Iterator[Store]:
    opened = Store(lab_home, allow_unsafe_disk=True)
    opened.writing(lambda connection: connection.exec_driver_sql("CREATE TABLE notes (text TEXT PRIMARY KEY)"))
    yield opened
    opened.close()


def note(text: str) -> object:
    return lambda connection: connection.exec_driver_sql("INSERT INTO notes VALUES (?)", (text,)).rowcount


def notes(store: Store) -> list[str]:
    database = sqlite3.connect(store.home / "lab.db")
    try:
        return [row[0] for row in database.execute("SELECT text FROM notes ORDER BY text")]
    finally:
        database.close()


def together(store: Store, works: list[object]) -> list[object]:
    """Works that wait while the writer is busy, so that they come into one transaction; what became of each."""
    begun, free = threading.Event(), threading.Event()
    busy = store.writer.submit(lambda _: begun.set() or free.wait(10))
    assert begun.wait(10)
    futures = [store.writer.submit(work) for work in works]  # type: ignore[arg-type]
    free.set()
    busy.result()
    return [future.exception() or future.result() for future in futures]


def test_what_waits_is_committed_once(store: Store) -> None:
    commits: list[object] = []
    event.listen(store._engine, "commit", commits.append)
    assert together(store, [note(f"{n:02}") for n in range(40)]) == [1] * 40
    assert len(commits) == 2  # the one that kept the writer busy, and all the others
    assert len(notes(store)) == 40


def test_a_refusal_is_one_works_own(store: Store) -> None:
    def refuse(_: Connection) -> None:
        raise StateError("no_such_collection", collection="x")

    one, refused, other = together(store, [note("a"), refuse, note("b")])
    assert (one, other) == (1, 1) and isinstance(refused, StateError)
    assert notes(store) == ["a", "b"]


def test_a_broken_work_spoils_no_other(store: Store) -> None:
    outcomes = together(store, [note("a"), note("a"), note("b"), lambda _: 1 / 0])
    assert outcomes[0] == 1 and outcomes[2] == 1
    assert "UNIQUE" in str(outcomes[1]) and isinstance(outcomes[3], ZeroDivisionError)
    assert notes(store) == ["a", "b"]


def test_a_full_disk_is_said_and_nothing_is_half_written(store: Store) -> None:
    def full(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(store._engine, "checkout", full)
    small, large = together(store, [note("small"), note("x" * 100_000)])
    assert small == 1 and isinstance(large, MachineError) and large.key == "disk_full"
    assert notes(store) == ["small"]


def test_closing_writes_what_waits(lab_home: Path, store: Store) -> None:
    futures = [store.writer.submit(note(f"{n}")) for n in range(9)]  # type: ignore[arg-type]
    store.close()
    assert [future.result(0) for future in futures] == [1] * 9
    assert len(notes(store)) == 9
    with pytest.raises(RuntimeError):
        store.writer.submit(note("late"))  # type: ignore[arg-type]
