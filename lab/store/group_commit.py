"""One thread writes: it runs all waiting works in one transaction, commits once, and only then answers.

A commit that survives a power cut waits for the disk. Thirty people who save at once share that wait instead of queueing for
the write lock. Other processes write beside it; SQLite's lock keeps them apart. Not here: what is written.

A small file, the reserve, keeps some space for the moment when the disk is full, so that a last transaction can still be written.
"""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from lab.errors import LabError, MachineError

T = TypeVar("T")

MOST_AT_ONCE = 64
"""Works in one transaction; the first of them waits for the last."""
RESERVE_BYTES = 512 * 1024

Work = Callable[[Connection], T]
"""Reads and writes over a connection that holds the write lock. It raises a LabError only before its first write."""


@dataclass(frozen=True)
class _Waiting:
    work: Work[Any]
    answer: Future[Any]


class GroupCommit:
    """The writer of one database. Its thread starts with the first work."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self._engine = engine
        self._home = home
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, work: Work[T]) -> Future[T]:
        """The answer of ``work`` once it is committed; or the error that it raised, and then nothing of it was written."""
        answer: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lab-writer", daemon=True)
                self._thread.start()
            self._waiting.put(_Waiting(work, answer))
        return answer

    def close(self) -> None:
        """Write the waiting works, then end."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._waiting.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._batch()
            started = [waiting for waiting in batch if waiting.answer.set_running_or_notify_cancel()]
            if started:
                self._write(started)

    def _batch(self) -> tuple[list[_Waiting], bool]:
        """The waiting works, at least one; and whether the thread is to end after them."""
        batch: list[_Waiting] = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) == MOST_AT_ONCE or self._waiting.empty():
                return batch, False
            item = self._waiting.get()
        return batch, True

    def _write(self, batch: list[_Waiting]) -> None:
        """Write all in one transaction; if that fails, each in its own, so that one bad work does not undo the others."""
        try:
            outcomes = self._commit(batch)
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    self._write([waiting])
            else:
                batch[0].answer.set_exception(error)
            return
        for waiting, (value, refusal) in zip(batch, outcomes, strict=True):
            if refusal is not None:
                waiting.answer.set_exception(refusal)
            else:
                waiting.answer.set_result(value)

    def _commit(self, batch: list[_Waiting]) -> list[tuple[Any, LabError | None]]:
        for _attempt in range(2):
            try:
                with self._engine.begin() as connection:
                    return [_outcome(waiting.work, connection) for waiting in batch]
            except (OperationalError, sqlite3.OperationalError) as error:
                if "full" not in str(getattr(error, "orig", error)):
                    raise
                if not release_reserve(self._home):
                    break
        raise MachineError("disk_full", path=self._home)


def _outcome(work: Work[Any], connection: Connection) -> tuple[Any, LabError | None]:
    try:
        return work(connection), None
    except LabError as refusal:
        return None, refusal


def keep_reserve(home: Path) -> None:
    """Make the reserve where it is missing and the disk has room for it."""
    path = home / "reserve"
    with suppress(OSError):
        if not path.exists() and shutil.disk_usage(home).free > 4 * RESERVE_BYTES:
            path.write_bytes(os.urandom(RESERVE_BYTES))  # random: some file systems store zeros in no space


def release_reserve(home: Path) -> bool:
    """Delete the reserve; whether there was one."""
    try:
        (home / "reserve").unlink()
    except OSError:
        return False
    return True
