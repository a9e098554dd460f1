"""A run or a job in the foreground, for the command line: the same worker, watched from here, stopped by Ctrl-C.

Not here: what is printed (``lab/commands``). It takes the machine's slot, so that it never runs beside the app's work.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from lab.core.jobs import Spec
from lab.core.recipes import Recipe
from lab.errors import StateError
from lab.runs import checks, jobs, progress
from lab.runs.chats import make_room
from lab.runs.job_work import JobWork, check_job
from lab.runs.launcher import Launcher, LocalLauncher
from lab.runs.ray.cluster import require_ray, take_cluster_slot
from lab.runs.ray.launcher import RayLauncher
from lab.runs.run_work import RunWork, requeue
from lab.runs.slots import slot_path
from lab.runs.work import Work, launch
from lab.settings import read_ray
from lab.store.jobs import Job, JobStore
from lab.store.locks import Lock, try_lock
from lab.store.runs import Run, RunState, Store

STEP_PATIENCE = 30.0
"""Seconds after a first Ctrl-C in which the step must end; then the process is ended, and the last checkpoint is what is left."""

OnProgress = Callable[[progress.Summary], None]
TakeSlot = Callable[[Store], AbstractContextManager[Lock]]
"""Takes a slot in which a run goes on; the slot counts as taken until the run has ended. Raises StateError."""


@dataclass(frozen=True)
class Place:
    """Where the runs of a command are computed."""

    launcher: Launcher
    take: TakeSlot
    here: bool = True
    """Whether that is this machine."""


def place(launcher: Launcher | None = None) -> Place:
    """This machine with the launcher that is given; without one, the cluster that ``LAB_RAY_ADDRESS`` names, else this machine.

    Raises InputError, and StartError where the package is missing.
    """
    if launcher is not None:
        return Place(launcher, take_slot)
    if (settings := read_ray(os.environ)) is None:
        return Place(LocalLauncher(page=False), take_slot)
    require_ray(settings)
    return Place(RayLauncher(settings), take_cluster_slot, here=False)


def take_slot(store: Store) -> Lock:
    """The machine's slot. Raises StateError ``slot_busy``, naming the run that has it, or ``slot_busy_with_a_job``."""
    slot = try_lock(slot_path(store.home))
    if slot is None and make_room(store):
        slot = try_lock(slot_path(store.home))
    if slot is None:
        running = store.in_state(RunState.RUNNING)
        if not running:
            raise StateError("slot_busy_with_a_job")
        raise StateError("slot_busy", run=f"{running[0].name} ({running[0].id})")
    return slot


def train_in_foreground(
    recipe: Recipe,
    store: Store,
    on_progress: OnProgress | None = None,
    *,
    launcher: Launcher | None = None,
    where: Place | None = None,
    threads: int | None = None,
) -> Run:
    """Run a recipe to its end; ``on_progress`` gets a summary a few times a second. Raises LabError before the start.

    The first Ctrl-C stops at the end of the step, with a checkpoint, or after ``STEP_PATIENCE`` seconds; the second ends the process.
    """
    where = where or place(launcher)
    data_hash = checks.check(recipe, store, here=where.here)
    with where.take(store) as slot:
        run = store.create_run(recipe, dataset_hash=data_hash)
        return _run(store, run, slot, where.launcher, on_progress, threads)


def resume_in_foreground(
    run_id: str,
    store: Store,
    on_progress: OnProgress | None = None,
    *,
    launcher: Launcher | None = None,
    where: Place | None = None,
    threads: int | None = None,
) -> Run:
    """The same for a run that stopped, failed or was lost: it goes on from its last checkpoint."""
    store.run(run_id)
    where = where or place(launcher)
    with where.take(store) as slot:
        return _run(store, requeue(store, run_id), slot, where.launcher, on_progress, threads)


def work_in_foreground(
    spec: Spec,
    store: Store,
    on_progress: Callable[[jobs.Summary], None] | None = None,
    *,
    launcher: Launcher | None = None,
) -> Job:
    """Do a job here and now; ``on_progress`` gets a summary a few times a second. Ctrl-C cancels it. Raises LabError before the start."""
    check_job(spec, store)
    job_store = JobStore(store.home)
    with take_slot(store) as slot:
        folder = job_store.folder(job_store.create(spec).id)

        def show() -> None:
            if on_progress is not None:
                on_progress(jobs.summary(folder, store, job_store))

        _attend(JobWork(folder), slot, launcher, show)
    return folder.job()


def _run(
    store: Store,
    run: Run,
    slot: Lock,
    launcher: Launcher,
    on_progress: OnProgress | None,
    threads: int | None,
) -> Run:
    def show() -> None:
        if on_progress is not None:
            on_progress(progress.summary(store.run(run.id), store))

    _attend(RunWork(store, run), slot, launcher, show, threads)
    return store.run(run.id)


def _attend(
    work: Work, slot: Lock, launcher: Launcher | None, show: Callable[[], None], threads: int | None = None
) -> None:
    """Start the work and watch it to its end; ``show`` is called after each poll and once at the end."""
    with interrupts() as pressed:
        watched = launch(work, launcher or LocalLauncher(page=False), slot, threads)
        if watched is None:
            return
        obeyed = 0

        def each() -> None:
            nonlocal obeyed
            if len(pressed) > obeyed:
                obeyed = len(pressed)
                _stop(work, now=obeyed > 1 or not work.stops_at_step)
            elif obeyed == 1 and time.monotonic() - pressed[0] > STEP_PATIENCE and not _step_is_over(work):
                obeyed = 2
                _stop(work, now=True)
            show()

        watched.wait(each)
        show()


def _step_is_over(work: Work) -> bool:
    """Whether the step at whose end the run was to stop has ended: then only saving is left, which is waited for."""
    heartbeat, request = work.folder.heartbeat() or {}, work.folder.stop_request() or {}
    promised = request.get("step")
    return heartbeat.get("stage") == "saving" or (promised is not None and int(heartbeat.get("step") or 0) >= promised)


def _stop(work: Work, *, now: bool) -> None:
    with suppress(StateError):  # it has just ended by itself
        work.stop(now=now)


@contextmanager
def interrupts() -> Iterator[list[float]]:
    """The times at which Ctrl-C was pressed: a handler, not an exception, so that a step of ours is never cut in half.

    Another thread than the main one gets the times that the main one is listening to, or none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield _listening[-1] if _listening else []
        return
    pressed: list[float] = []
    _listening.append(pressed)
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(time.monotonic()))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
        _listening.remove(pressed)


_listening: list[list[float]] = []
"""What the main thread's ``interrupts`` listen to, the innermost last."""
