"""A run as ``Work``: its state is its row in the database. Stopping, cancelling and resuming a run, from any process.

Not here: the life that runs and jobs share (``work.py``), and the rows themselves (``lab/store/runs.py``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from lab.core.recipes import parse
from lab.errors import LabError, StateError
from lab.runs.estimate import keep_with_run
from lab.runs.processes import Identity, is_alive
from lab.runs.progress import stop_step
from lab.runs.slots import supervisor_path
from lab.runs.work import Ending, ErrorKeys, Work, find_worker
from lab.store.locks import try_lock
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store

NO_WORKER: dict[str, Any] = {"pid": None, "pid_started": None, "boot_id": None}
"""The columns that name a run's worker, while none is noted."""


class RunWork(Work):
    """A run of the store, as its row was when this was made."""

    keys = ErrorKeys(
        not_running="run_already_ended",
        not_started="worker_did_not_start",
        lost="worker_lost",
        disk_full="disk_full",
        out_of_memory="probably_out_of_memory",
        signalled="worker_crashed_by_signal",
        crashed="worker_crashed",
        terminated="worker_was_ended",
        no_result="worker_left_no_result",
    )
    stops_at_step = True
    folder: RunFolder

    def __init__(self, store: Store, run: Run) -> None:
        super().__init__(run.id, store.folder(run.id), {"run": run.name})
        self._store, self._run = store, run

    def state(self) -> RunState:
        return self._store.run(self.id).state

    def begin(self) -> bool:
        started = self._run.started or time.time()
        values: dict[str, Any] = {"state": RunState.RUNNING, "started": started, "ended": None, "error": None}
        return self._store.change(self.id, only_if=[RunState.QUEUED], **values, **NO_WORKER)

    def leave_queue(self) -> bool:
        return self._store.change(self.id, only_if=[RunState.QUEUED], state=RunState.STOPPED, ended=time.time())

    def return_to_queue(self) -> None:
        self._store.change(self.id, only_if=[RunState.RUNNING], where=NO_WORKER, state=RunState.QUEUED)

    def identity(self) -> Identity | None:
        return run_identity(self._run)

    def note(self, identity: Identity) -> bool:
        noted = self._store.change(self.id, only_if=[RunState.RUNNING], where=NO_WORKER, **identity.as_values())
        with suppress(LabError):  # a recipe of another version of the lab
            keep_with_run(parse(self._run.recipe, self._run.name), self._store.home, self.folder)
        return noted

    def end(self, ending: Ending, *, of: Identity | None, certain: bool = True) -> None:
        """See ``Work.end``. An attempt that has been resumed meanwhile is left alone."""
        from_states = [RunState.RUNNING, RunState.LOST] if certain else [RunState.RUNNING]
        values: dict[str, Any] = {"state": ending.state, "ended": time.time(), "error": ending.error}
        self._store.change(self.id, only_if=from_states, where=of.as_values() if of else NO_WORKER, **values)

    def stop_step(self) -> int | None:
        return stop_step(self._store.run(self.id), self.folder)

    def lost_params(self) -> dict[str, Any]:
        return {"step": self.folder.last_step()}


class Turns(Protocol):
    """Whose turn it is, where that is not simply the order of asking (``lab/classroom/turns.py``)."""

    def next(self, queue: Sequence[Run]) -> Run | None:
        """The queued run that is next, of these in the order of asking; None where all of them have to wait."""

    def is_light(self, run_id: str) -> bool:
        """Whether a run may go on beside another light one, each on one thread."""


class InOrder:
    """The order of asking; no run is light."""

    def next(self, queue: Sequence[Run]) -> Run | None:
        return queue[0] if queue else None

    def is_light(self, run_id: str) -> bool:
        return False


class RunQueue:
    """The runs of a home."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.turns: Turns = InOrder()

    def running(self) -> Iterator[RunWork]:
        """The runs that run, with their worker noted or not."""
        return (RunWork(self._store, run) for run in self._store.in_state(RunState.RUNNING))

    def next(self) -> RunWork | None:
        """The run whose turn it is."""
        run = self.turns.next(self._store.queue())
        return RunWork(self._store, run) if run else None


def run_identity(run: Run) -> Identity | None:
    """The identity of the run's worker, where it was noted."""
    return Identity.of({"pid": run.pid, "pid_started": run.pid_started, "boot_id": run.boot_id})


def stop(store: Store, run_id: str, *, now: bool = False) -> None:
    """Stop a run at the end of its step, or at once; a queued run leaves the queue. Raises StateError ``run_already_ended``."""
    RunWork(store, store.run(run_id)).stop(now=now)


def cancel(store: Store, run_id: str) -> None:
    """Take a queued run out of the queue. Raises StateError ``run_not_queued``."""
    run = store.run(run_id)
    if not RunWork(store, run).leave_queue():
        raise StateError("run_not_queued", run=run.name, state=store.run(run_id).state)


def requeue(store: Store, run_id: str) -> Run:
    """Queue a run that stopped, failed or was lost, under its own id. Raises StateError ``run_not_resumable``."""
    run = store.run(run_id)
    resumable = [state for state in RunState if state.resumable]
    values = {"state": RunState.QUEUED, "queued": time.time(), "ended": None, "error": None, **NO_WORKER}
    # The folder is made ready while the row cannot change: of two that resume at once, the later must not clear away what a
    # worker of the earlier has written already.
    if not store.change(run_id, only_if=resumable, then=store.folder(run_id).prepare_resume, **values):
        raise StateError("run_not_resumable", run=run.name, state=store.run(run_id).state)
    return store.run(run_id)


def settle_gone(store: Store) -> None:
    """Where no app watches the home: settle the runs whose workers are gone, so that a command shows the true states."""
    lock = try_lock(supervisor_path(store.home))
    if lock is None:
        return
    with lock:
        for work in RunQueue(store).running():
            identity = work.identity()
            if identity is None:
                find_worker(work, store.home)
            elif not is_alive(identity):
                work.end(work.ending(None), of=identity, certain=False)
