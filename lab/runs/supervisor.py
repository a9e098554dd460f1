"""The supervisor: one permanent thread that takes runs and jobs from their queues, watches their workers and settles how they ended.

Not here: a single worker's life (``work.py``), how it is started (``launcher.py``), what is refused before
(``checks.py``). The queue of runs is in the database, that of jobs in their folders. Workers outlive the app; a new supervisor finds
them again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from lab.core.recipes import Recipe
from lab.errors import StartError
from lab.machine import machine_memory
from lab.runs import checks
from lab.runs.changes import Changes
from lab.runs.job_work import JobQueue, JobWork
from lab.runs.jobs import Jobs
from lab.runs.launcher import Launcher, LocalLauncher, cores
from lab.runs.run_work import InOrder, RunQueue, RunWork, Turns, cancel, requeue, stop
from lab.runs.slots import BESIDE, FREE_MEMORY, SLOTS, free_slot, holder, note_holder, slot_path, supervisor_path
from lab.runs.studies import Studies
from lab.runs.work import GLANCE, WatchList
from lab.store.locks import Lock, try_lock
from lab.store.runs import Run, Store

log = logging.getLogger(__name__)
CLOSE_WAIT = 10.0
LOCK_WAIT = 1.0
IDLE = 3.0
REST = 1.0
"""Seconds between two looks while nothing runs; what a person asks for wakes the thread at once."""
LIGHT_THREADS = 1


class Cluster(Protocol):
    """Where runs go that are not computed on this machine (``ray/cluster.py``)."""

    address: str

    @property
    def launcher(self) -> Launcher:
        """What starts a run there."""

    def shown(self) -> dict[str, Any] | None:
        """What it has and what of it is free, for the page; None while that is not known."""

    def check(self, recipe: Recipe, store: Store) -> str:
        """As ``checks.check``, of a run that goes there."""

    def slot(self, run: Run) -> Lock | None:
        """A slot for a run, where there is room for it now."""

    def close(self) -> None:
        """Give back what is held here. Runs go on."""


class Supervisor:
    """Drives the runs and ``jobs`` of one home. ``start`` it once, at the start of the app."""

    def __init__(
        self,
        store: Store,
        *,
        launcher: Launcher | None = None,
        check: Callable[[Recipe, Store], str] | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """``cluster``: where runs go instead of this machine; jobs stay here."""
        self._store = store
        self._turns: Turns = InOrder()
        self._run_queue = RunQueue(store)
        self._launcher = launcher or LocalLauncher()
        self._check = check or (cluster.check if cluster else checks.check)
        self.cluster = cluster
        self._running_runs = WatchList(self._run_queue, cluster.launcher if cluster else self._launcher, store.home)
        self._wake = threading.Event()
        self.jobs = Jobs(store, self._wake.set)
        self._running_jobs = WatchList(JobQueue(self.jobs), self._launcher, store.home)
        self._running_beside = WatchList(JobQueue(self.jobs, BESIDE), self._launcher, store.home)
        self._watched = {"runs": self._running_runs, "jobs": self._running_jobs, "chats": self._running_beside}
        self._lock: Lock | None = None
        self._complaints: dict[str, str] = {}
        self._idle_since = time.monotonic()
        self.changes = Changes(store)
        self.studies = Studies(store, self.submit, self.resume)
        self._closing = threading.Event()
        self._resuming = threading.Lock()
        self._submitting = threading.Lock()
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
        self._watch()  # before a page opens; what fails now is tried again by the thread
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
        if self.cluster is not None:
            self.cluster.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def take_turns(self, turns: Turns) -> None:
        """From now on whose turn it is follows from these."""
        self._turns = turns
        self._run_queue.turns = turns

    # ---- what a person asks for

    def submit(self, recipe: Recipe, noted: Callable[[Run], None] = lambda run: None) -> Run:
        """Check the recipe and put it into the queue. Raises LabError. ``noted`` is called with the run before it is looked at."""
        data_hash = self._check(recipe, self._store)
        with self._submitting:
            run = self._store.create_run(recipe, dataset_hash=data_hash)
            noted(run)
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

    def wake(self) -> None:
        """Look at the queue at once: whose turn it is may have changed."""
        self._wake.set()

    def delete(self, run_id: str) -> None:
        """Delete an ended run and its folder."""
        self._store.delete_run(run_id)

    # ---- the thread

    def _work(self) -> None:
        while not self._closing.is_set():
            self._watch()
            self._try("go on with the studies", self.studies.advance)
            self._try("start what is next", self._start_next)
            self._try("start a chat beside it", self._start_beside)
            self._try("prepare a worker", self._prepare)
            self._wake.wait(GLANCE if any(each.busy for each in self._watched.values()) else REST)
            self._wake.clear()

    def _watch(self) -> None:
        for name, watched in self._watched.items():
            self._try(f"find the workers of {name}", watched.adopt)
            self._try(f"watch the {name}", watched.watch)

    def _try(self, name: str, duty: Callable[[], None]) -> None:
        """A full disk or a locked database is logged once, and tried again each time. Nothing ends the thread."""
        try:
            duty()
            self._complaints.pop(name, None)
        except Exception as error:
            complaint = f"{type(error).__name__}: {error}"
            if self._complaints.get(name) != complaint:
                self._complaints[name] = complaint
                log.exception("the supervisor could not %s; it tries again", name)

    @property
    def _busy(self) -> bool:
        return (self._running_runs.busy and self.cluster is None) or self._running_jobs.busy

    def _start_next(self) -> None:
        if not self._submitting.acquire(blocking=False):
            return  # it is not known yet whose run that is; the next look starts it
        try:
            self._start()
        finally:
            self._submitting.release()

    def _start(self) -> None:
        if self.cluster is not None:
            self._start_on_cluster(self.cluster)
        here = (self._running_jobs, self._running_runs) if self.cluster is None else (self._running_jobs,)
        for watch_list in here:  # a job goes before runs
            work = watch_list.queue.next()
            if work is None:
                continue
            light = watch_list is self._running_runs and self._is_light(work.id)
            slot = self._slot(light)
            if slot is not None:  # else a worker has it, ours or not
                watch_list.start(work, slot, LIGHT_THREADS if light else None)
            elif self._busy:
                self._make_room()
            return

    def _start_on_cluster(self, cluster: Cluster) -> None:
        """Start the run whose turn it is, if the cluster has room for it; the next look starts the one after it."""
        run = self._turns.next(self._store.queue())
        slot = cluster.slot(run) if run is not None else None
        if run is not None and slot is not None:
            self._running_runs.start(RunWork(self._store, run), slot)
            self._wake.set()

    def _slot(self, light: bool) -> Lock | None:
        """A slot for work that is next. Light work may run beside other light work, where the memory allows it."""
        if not self._busy:
            return try_lock(slot_path(self._store.home))
        if not light or not self._only_light or machine_memory()[0] < FREE_MEMORY:
            return None
        return free_slot(self._store.home, min(SLOTS, cores()))

    @property
    def _only_light(self) -> bool:
        running = self._running_runs.watched
        return not self._running_jobs.busy and all(self._is_light(work.id) for work in running)

    def _is_light(self, run_id: str) -> bool:
        return self._turns.is_light(run_id) or self.studies.is_light(run_id)

    def _make_room(self) -> None:
        """A chat that holds the slot ends after its present answer, once something waits."""
        for work in self._running_jobs.queue.running():
            if isinstance(work, JobWork):
                work.give_way()

    def _start_beside(self) -> None:
        """Start a chat that is to answer on the CPU, whatever holds the machine's slot."""
        if self._running_beside.busy or (work := self._running_beside.queue.next()) is None:
            return
        slot = try_lock(slot_path(self._store.home, BESIDE))
        if slot is not None:  # else a worker has it, ours or not
            self._running_beside.start(work, slot)

    def _prepare(self) -> None:
        """Prepare the next worker once nothing has run or waited for a while; and while light runs wait for light ones."""
        now = time.monotonic()
        if self._busy and self._only_light and (run := self._turns.next(self._store.queue())):
            if self._is_light(run.id):
                self._launcher.prepare(LIGHT_THREADS)
        elif self._busy or (self.cluster is None and self._store.queue()):
            self._idle_since = now
        elif now - self._idle_since > IDLE:
            self._launcher.prepare()
