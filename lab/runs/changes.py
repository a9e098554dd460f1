"""What an open page follows, as one short mark a topic: a mark that differs says that there is something new to ask for.

A page compares marks instead of asking again and again; ``lab/server/changes.py`` sends them to it. A mark tells nothing of what
changed. Not here: the live frames of one run (``lab/server/events.py``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from zlib import crc32

from sqlalchemy import func, select

from lab.annotation.tables import judgements_table
from lab.store.runs import RunState, Store


class Topic(StrEnum):
    """What can change behind a page."""

    RUNS = "runs"  # which runs there are, their names and states
    PROGRESS = "progress"  # how far the running ones are
    JOBS = "jobs"  # samples, scores and measurements, and how far they are
    BACKUP = "backup"  # how far the work is kept on the Hub; only where LAB_BACKUP is set
    JUDGEMENTS = "judgements"  # what people chose
    CLASS = "class"  # who is in the class, and what its owner has chosen
    ANSWERS = "answers"  # what this app has asked of a process of its own: estimates, previews, downloads


class Changes:
    """The marks of one home. Thread-safe; one for the life of the app."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._answers = 0
        self.backup: Callable[[], object] = lambda: None
        """What says how far the backup is (``hub_backup.py``)."""
        self.class_mark: Callable[[], str] = lambda: ""
        """The mark of the class, from the room that knows it (``lab/classroom``)."""

    def answered(self) -> None:
        """An estimate, a preview or a download came further, or failed."""
        with self._lock:
            self._answers += 1

    def mark(self, topic: Topic) -> str:
        """The present mark of one topic. Take it before the state itself is read: then no change falls between."""
        return self.marks()[topic]

    def marks(self) -> dict[str, str]:
        """The present mark of every topic, by its name."""
        runs = self._store.states()
        running = [run_id for run_id, _, state in runs if state == RunState.RUNNING]
        folders = [_changed(self._store.home / "runs" / run_id) for run_id in running]
        with self._lock:
            answers = self._answers
        return {
            Topic.RUNS: _short(runs),
            Topic.PROGRESS: _short(folders),
            Topic.JOBS: jobs_mark(self._store.home),
            Topic.BACKUP: _short(self.backup()),
            Topic.JUDGEMENTS: self.judgements(),
            Topic.CLASS: self.class_mark(),
            Topic.ANSWERS: f"{os.getpid()}-{answers}",  # another start of the app counts anew
        }

    def judgements(self) -> str:
        """The present mark of what people chose: the number of the last event."""
        with self._store.reading() as connection:
            return str(connection.execute(select(func.max(judgements_table.c.number))).scalar() or 0)


def jobs_mark(home: Path) -> str:
    """The present mark of the jobs of a home: every job with the time of its last change."""
    try:
        return _short([(job.name, _changed(job)) for job in sorted((home / "jobs").iterdir())])
    except OSError:
        return _short([])


def _changed(folder: Path) -> int:
    """When a file was last made, renamed or removed in a folder, in nanoseconds: heartbeats are renamed into place."""
    with suppress(OSError):
        return folder.stat().st_mtime_ns
    return 0


def _short(value: object) -> str:
    return f"{crc32(repr(value).encode()):08x}"
