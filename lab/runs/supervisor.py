"""The supervisor: one permanent thread that takes runs and jobs from their queues, watches their workers and settles how they ended.

Not here: a single worker's life (``watch.py``), how it is started (``launcher.py``), what is refused before
(``checks.py``). The queue is in the database. Workers outlive the app; a new supervisor finds them again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from lab.core.recipes import Recipe
from lab.errors import StartError, StateError
from lab.runs import checks
from lab.runs.changes import Changes
from lab.runs.jobs import Jobs
from lab.runs.launcher import Launcher, LocalLauncher
from lab.runs.processes import is_alive
from lab.runs.progress import stop_step
from lab.runs.slots import holder, note_holder, slot_path, supervisor_path
from lab.runs.watch import NO_WORKER, Watched, ending, launch, run_identity, settle, unnoted_worker
from lab.store.locks import Lock, try_lock
from lab.store.runs import Run, RunState, Store

log = logging.getLogger(__name__)
GLANCE = 0.3  # seconds between two looks
CLOSE_WAIT = 10.0
LOCK_WAIT = 1.0
IDLE = 3.0


class Supervisor:
    """Drives the runs and ``jobs`` of one home. ``start`` it once, at the start of the app."""

    def __init__(
        self,
        store: Store,
        *,
        launcher: Launcher | None = None,
        check: Callable[[Recipe, Store], str] = checks.check,
    ) -> None:
        self._store = store
        self._launcher = launcher or LocalLauncher()
        self._check = check
        self._watched: dict[str, Watched] = {}
        self._lock: Lock | None = None
        self._complaints: dict[str, str] = {}
        self._idle_since = time.monotonic()
        self._wake = threading.Event()
        self.jobs = Jobs(store, self._launcher, self._wake.set)
        self.changes = Changes(store)
        self._closing = threading.Event()
        self._resuming = threading.Lock()
        self._thread: threading.Thread | None = None

    # ---- life

    def start(self) -> None:
        """Take the home's lock, find the workers of an earlier life, and begin. Raises StartError ``home_in_use``."""
        path = supervisor_path(self._store.home)
        deadline = time.monotonic() + LOCK_WAIT  # a command that looks after the runs may hold it for a moment
        while (lock := try_lock(path)) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self._lock = lock
        if lock is None:
            raise StartError("home_in_use", home=self._store.home, pid=holder(path))
        note_holder(lock)
        self._closing.clear()
        for duty in (self._adopt, self._watch):  # before anybody looks; what fails now is tried again by the thread
            self._try(duty)
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and let go of the home. Workers go on."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_WAIT)
            self._thread = None
        self._launcher.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # ---- what a person asks for

    def submit(self, recipe: Recipe) -> Run:
        """Check the recipe and put it into the queue. Raises LabError."""
        run = self._store.create_run(recipe, dataset_hash=self._check(recipe, self._store))
        self._wake.set()
        return run

    def stop(self, run_id: str, now: bool = False) -> None:
        """Stop at the end of the step, with a checkpoint; ``now`` ends the process. A queued run leaves the queue."""
        stop(self._store, run_id, now=now)
        self._wake.set()

    def cancel(self, run_id: str) -> None:
        """Take a queued run out of the queue. Raises StateError ``run_not_queued``."""
        cancel(self._store, run_id)
        self._wake.set()

    def resume(self, run_id: str) -> Run:
        """Queue a stopped, failed or lost run again: it goes on from its last checkpoint, or from 0 without one."""
        with self._resuming:
            run = requeue(self._store, run_id)
        self._wake.set()
        return run

    def delete(self, run_id: str) -> None:
        """Delete an ended run and its folder."""
        self._store.delete_run(run_id)

    # ---- the thread

    def _work(self) -> None:
        while not self._closing.is_set():
            for duty in (self._adopt, self._watch, self.jobs.adopt, self.jobs.watch, self._start_next, self._prepare):
                self._try(duty)
            self._wake.wait(GLANCE)
            self._wake.clear()

    def _try(self, duty: Callable[[], None]) -> None:
        """A full disk or a locked database is said once, and tried again at each look. Nothing ends the thread."""
        name = duty.__qualname__
        try:
            duty()
            self._complaints.pop(name, None)
        except Exception as error:
            complaint = f"{type(error).__name__}: {error}"
            if self._complaints.get(name) != complaint:
                self._complaints[name] = complaint
                log.exception("the supervisor could not %s; it tries again", name)

    def _adopt(self) -> None:
        """Watch the workers that others started: an earlier life of the app, or ``python -m lab train``."""
        for run in self._store.in_state(RunState.RUNNING):
            if run.id in self._watched:
                continue
            identity = run_identity(run) or unnoted_worker(self._store, run)
            if identity is not None:
                worker = self._launcher.attach(identity)
                self._watched[run.id] = Watched(run.id, worker, self._store.folder(run.id))

    def _watch(self) -> None:
        for run_id, watched in list(self._watched.items()):
            end = watched.look()
            if end is not None:
                worker = watched.worker
                settle(self._store, run_id, end, of=worker.identity, certain=worker.exit_code is not None)
                del self._watched[run_id]

    def _start_next(self) -> None:
        job, queue = self.jobs.next(), self._store.queue()
        if not (job or queue) or self._watched or self.jobs.busy:
            return
        slot = try_lock(slot_path(self._store.home))
        if slot is None:
            return  # a worker has it, ours or not
        if job is not None:
            self.jobs.start(job, slot)
            return
        watched = launch(self._store, self._launcher, queue[0], slot)
        if watched is not None:
            self._watched[watched.run_id] = watched

    def _prepare(self) -> None:
        """Once nothing has gone on for a while, make ready for the next worker."""
        now = time.monotonic()
        if self._watched or self.jobs.busy or self._store.queue():
            self._idle_since = now
        elif now - self._idle_since > IDLE:
            self._launcher.prepare()


def stop(store: Store, run_id: str, *, now: bool = False) -> None:
    """Ask for a stop, from any process: whoever watches the worker carries it through."""
    run = store.run(run_id)
    if run.state is RunState.QUEUED and _cancelled(store, run):
        return
    run = store.run(run_id)
    if run.state is not RunState.RUNNING:
        raise StateError("run_already_ended", run=run.name, state=run.state)
    store.folder(run_id).request_stop(now=now, step=stop_step(run, store.folder(run_id)))


def cancel(store: Store, run_id: str) -> None:
    """Take a queued run out of the queue. Raises StateError ``run_not_queued``."""
    run = store.run(run_id)
    if not _cancelled(store, run):
        raise StateError("run_not_queued", run=run.name, state=store.run(run_id).state)


def settle_gone(store: Store) -> None:
    """Where no app looks after the home: settle the runs whose workers are gone, so that a command shows the truth."""
    lock = try_lock(supervisor_path(store.home))
    if lock is None:
        return
    with lock:
        for run in store.in_state(RunState.RUNNING):
            identity = run_identity(run)
            if identity is None:
                unnoted_worker(store, run)
            elif not is_alive(identity):
                found = ending(store.folder(run.id), None, ended_by_us=_stop_now(store, run))
                settle(store, run.id, found, of=identity, certain=False)


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


def _cancelled(store: Store, run: Run) -> bool:
    return store.change(run.id, only_if=[RunState.QUEUED], state=RunState.STOPPED, ended=time.time())


def _stop_now(store: Store, run: Run) -> bool:
    return bool((store.folder(run.id).stop_request() or {}).get("now"))
