"""A run in the foreground, for the command line: the same worker, watched from here, stopped by Ctrl-C.

Not here: what is printed (``lab/commands``). The slot is honoured, so that it never runs beside one of the app's.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.core.recipes import Recipe
from lab.errors import StateError
from lab.runs import checks
from lab.runs.launcher import Launcher, LocalLauncher
from lab.runs.progress import Summary, summary
from lab.runs.slots import slot_path
from lab.runs.supervisor import GLANCE, requeue, stop
from lab.runs.watch import Watched, launch, settle
from lab.store.locks import Lock, try_lock
from lab.store.runs import Run, RunState, Store

STEP_PATIENCE = 30.0
"""Seconds after a first Ctrl-C in which the step must end; then the process is ended, and the last checkpoint is what is left."""

OnProgress = Callable[[Summary], None]


def train_in_foreground(
    recipe: Recipe, store: Store, on_progress: OnProgress | None = None, *, launcher: Launcher | None = None
) -> Run:
    """Run a recipe to its end; ``on_progress`` gets a summary a few times a second. Raises LabError before the start.

    The first Ctrl-C stops at the end of the step, with a checkpoint, or after ``STEP_PATIENCE`` seconds; the second ends the process.
    """
    data_hash = checks.check(recipe, store)
    with take_slot(store) as slot:
        run = store.create_run(recipe, dataset_hash=data_hash)
        return _attend(store, run, slot, launcher, on_progress)


def resume_in_foreground(
    run_id: str, store: Store, on_progress: OnProgress | None = None, *, launcher: Launcher | None = None
) -> Run:
    """The same for a run that stopped, failed or was lost: it goes on from its last checkpoint."""
    store.run(run_id)
    with take_slot(store) as slot:
        return _attend(store, requeue(store, run_id), slot, launcher, on_progress)


def take_slot(store: Store) -> Lock:
    """The machine's slot. Raises StateError ``slot_busy``, naming the run that has it, or ``slot_busy_with_a_job``."""
    slot = try_lock(slot_path(store.home))
    if slot is None:
        running = store.in_state(RunState.RUNNING)
        if not running:
            raise StateError("slot_busy_with_a_job")
        raise StateError("slot_busy", run=f"{running[0].name} ({running[0].id})")
    return slot


def _attend(store: Store, run: Run, slot: Lock, launcher: Launcher | None, on_progress: OnProgress | None) -> Run:
    with interrupts() as pressed:
        watched = launch(store, launcher or LocalLauncher(page=False), run, slot)
        if watched is not None:
            _watch(store, watched, pressed, on_progress)
    return store.run(run.id)


def _watch(store: Store, watched: Watched, pressed: list[float], on_progress: OnProgress | None) -> None:
    obeyed = 0
    while (end := watched.look()) is None:
        if len(pressed) > obeyed:
            obeyed = len(pressed)
            _stop(store, watched.run_id, now=obeyed > 1)
        elif obeyed == 1 and time.monotonic() - pressed[0] > STEP_PATIENCE and not _step_is_over(watched):
            obeyed = 2
            _stop(store, watched.run_id, now=True)
        if on_progress is not None:
            on_progress(summary(store.run(watched.run_id), store))
        time.sleep(GLANCE)
    settle(store, watched.run_id, end, of=watched.worker.identity)
    if on_progress is not None:
        on_progress(summary(store.run(watched.run_id), store))


def _step_is_over(watched: Watched) -> bool:
    """Whether the step at whose end the run was to stop has ended: then only saving is left, which is waited for."""
    heartbeat, request = watched.folder.heartbeat() or {}, watched.folder.stop_request() or {}
    promised = request.get("step")
    return heartbeat.get("stage") == "saving" or (promised is not None and int(heartbeat.get("step") or 0) >= promised)


def _stop(store: Store, run_id: str, *, now: bool) -> None:
    try:
        stop(store, run_id, now=now)
    except StateError:
        return  # it has just ended by itself


@contextmanager
def interrupts() -> Iterator[list[float]]:
    """The times at which Ctrl-C was pressed. A handler, not an exception: a step of ours is never cut in half."""
    pressed: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(time.monotonic()))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
