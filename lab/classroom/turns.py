"""Whose run is next: the owner's own before those of guests, and among guests whoever has started the fewest.

So no guest waits for the second run of another one. Not here: what a guest may start (``training.py``), and starting it (``lab/runs``).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select

from lab.classroom.tables import class_runs_table
from lab.store.runs import Run, Store


class ClassTurns:
    """Turns for the supervisor (``lab/runs/run_work.py``). Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._owners: dict[str, str] | None = None
        self.held: Callable[[], bool] = lambda: False
        """Whether the runs of guests wait (``Classroom``)."""

    @property
    def owners(self) -> Mapping[str, str]:
        """The person of each run that a guest started, by the run's id."""
        with self._lock:
            if self._owners is None:
                with self._store.reading() as connection:
                    rows = connection.execute(select(class_runs_table.c.run, class_runs_table.c.person)).all()
                self._owners = {row.run: row.person for row in rows}
            return dict(self._owners)

    def add(self, run_id: str, person: str) -> None:
        """A guest has asked for a run, which is in the queue."""
        owners = dict(self.owners)
        with self._lock:
            self._owners = owners | {run_id: person}

    def is_light(self, run_id: str) -> bool:
        """Whether it is a guest's: tiny, on one thread, beside another one."""
        return run_id in self.owners

    def next(self, queue: Sequence[Run]) -> Run | None:
        """See ``Turns.next``."""
        return next(iter(self.order(queue)), None)

    def order(self, queue: Sequence[Run]) -> list[Run]:
        """The queued runs in the order in which they start, as it stands now; without those that are held."""
        owners = self.owners
        own = [run for run in queue if run.id not in owners]
        guests = [] if self.held() else [run for run in queue if run.id in owners]
        if not guests:
            return own
        started = Counter(owners[run] for run, _, state in self._store.states() if run in owners and state != "queued")
        ordered: list[Run] = []
        while guests:  # each start counts for the next turn
            run = min(guests, key=lambda one: started[owners[one.id]])  # the first of these: the one that asked first
            guests.remove(run)
            started[owners[run.id]] += 1
            ordered.append(run)
        return own + ordered
