"""Trains what is missing of a study in the foreground, for the command line. Light members go two at a time, where the machine has two cores.

A member begins once the entries that it needs have finished. One that failed is told, what needs it is skipped, and the rest goes on.
Stopped at any moment and started again, only what is missing is trained: a run that was cut short goes on from its checkpoint. Not
here: which run is which member (``lab/compare/members.py``), and the studies that the page has started (``studies.py``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from lab.compare.members import Member, check_study, members
from lab.core.studies import Study
from lab.errors import LabError, StateError
from lab.machine import machine_memory
from lab.runs.foreground import (
    OnProgress,
    Place,
    interrupts,
    place,
    resume_in_foreground,
    take_slot,
    train_in_foreground,
)
from lab.runs.launcher import Launcher, cores
from lab.runs.run_work import cancel, settle_gone
from lab.runs.slots import CLUSTER_SLOTS, FREE_MEMORY, SLOTS, free_slot, supervisor_path
from lab.runs.studies import is_light
from lab.store.locks import Lock, try_lock
from lab.store.runs import Run, RunState, Store

GLANCE = 0.5
"""Seconds between two looks at a run that somebody else drives."""
BUSY = ("slot_busy", "slot_busy_with_a_job")
"""Errors of a machine that somebody else's run or job has for now."""


class Did(StrEnum):
    """What happens to a member."""

    USED = "used"
    TRAINS = "trains"
    GOES_ON = "goes_on"
    WAITS = "waits"
    """Somebody else runs it, or has queued it."""
    SKIPPED = "skipped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """One member and what is done with it; ``why`` is the error of one that failed."""

    member: Member
    did: Did
    run: Run | None = None
    why: dict[str, Any] | None = None


@dataclass
class Outcome:
    """What a study came to."""

    members: list[Member]
    trained: list[str] = field(default_factory=list)
    """The runs that were trained, or went on, now."""
    failed: list[Event] = field(default_factory=list)
    """The members that failed, or could not start because of one."""

    def add(self, event: Event, way: _Way) -> None:
        """Tell what happened to a member, and count it."""
        way.on_event(event)
        if event.did in (Did.FAILED, Did.SKIPPED):
            self.failed.append(event)
        elif event.did is Did.FINISHED and event.run is not None:
            self.trained.append(event.run.id)

    @property
    def complete(self) -> bool:
        """Whether every member has finished."""
        return all(member.finished for member in self.members)


class StudyStopped(StateError):
    """A member was stopped, by Ctrl-C or from elsewhere. The same study goes on from there."""


@dataclass(frozen=True)
class _Way:
    """How the members of a study are trained."""

    store: Store
    on_event: Callable[[Event], None]
    on_progress: OnProgress | None
    where: Place
    threads: int | None = None


def study_in_foreground(
    study: Study,
    store: Store,
    on_event: Callable[[Event], None] = lambda event: None,
    on_progress: OnProgress | None = None,
    *,
    launcher: Launcher | None = None,
    at_once: int | None = None,
) -> Outcome:
    """Train what is missing, so many members ``at_once``: by default two of a light study, where there are two cores; on a cluster all that
    can begin, which it keeps waiting until it has room.

    ``on_event`` and ``on_progress`` are then called from several threads. Raises StudyStopped at Ctrl-C, RecipeError of a study that is not valid.
    """
    check_study(study)
    settle_gone(store)
    where = place(launcher)
    if not where.here:
        return _side_by_side(study, _Way(store, on_event, on_progress, where), at_once or CLUSTER_SLOTS)
    at_once = at_once or (min(SLOTS, cores()) if is_light(study) and machine_memory()[0] >= FREE_MEMORY else 1)
    if at_once == 1:
        return _one_by_one(study, _Way(store, on_event, on_progress, where))
    threads = max(1, cores() // at_once)
    shared = replace(where, take=_SharedSlots().take)
    return _side_by_side(study, _Way(store, on_event, on_progress, shared, threads), at_once)


def _one_by_one(study: Study, way: _Way) -> Outcome:
    outcome, done = Outcome([]), set[tuple[str, int]]()
    while True:
        every = members(study, way.store)
        waiting = [member for member in every if _key(member) not in done]
        if not waiting:
            outcome.members = every
            return outcome
        done.add(_key(waiting[0]))
        outcome.add(_settle(waiting[0], way), way)


def _side_by_side(study: Study, way: _Way, at_once: int) -> Outcome:
    """A thread for each member that goes on. The threads obey the same Ctrl-C, and nothing begins after it."""
    outcome, begun = Outcome([]), set[tuple[str, int]]()
    going_on: set[Future[Event]] = set()
    with interrupts() as pressed, ThreadPoolExecutor(at_once) as threads:
        while True:
            every, ended = members(study, way.store), set[Future[Event]]()
            ready = [member for member in every if member.recipe is not None and _key(member) not in begun]
            for member in ready[: 0 if pressed else at_once - len(going_on)]:
                begun.add(_key(member))
                going_on.add(threads.submit(_settle, member, way))
            if not going_on:
                break
            while not ended:
                ended, going_on = wait(going_on, GLANCE, FIRST_COMPLETED)
            for future in ended:
                outcome.add(future.result(), way)  # raises StudyStopped once the other threads have ended too
        if pressed:
            raise StudyStopped("study_stopped", run="")
    for member in every:
        if member.recipe is None:
            outcome.add(_settle(member, way), way)
    outcome.members = every
    return outcome


def _key(member: Member) -> tuple[str, int]:
    return member.entry.name, member.seed


class _SharedSlots:
    """The machine's slots for the light runs of this process: the second one is taken only while the first is ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    @contextmanager
    def take(self, store: Store) -> Iterator[Lock]:
        """See ``take_slot``. Counts as held until the run that was started in it has ended."""
        with self._lock:
            slot = free_slot(store.home) if self._held else take_slot(store)
            if slot is None:
                raise StateError("slot_busy_with_a_job")
            self._held += 1
        try:
            yield slot
        finally:
            slot.release()
            with self._lock:
                self._held -= 1


def _settle(member: Member, way: _Way) -> Event:
    """Train one member, or see that it is there. Raises StudyStopped."""
    if member.recipe is None:
        return Event(member, Did.SKIPPED)
    store, on_event, run = way.store, way.on_event, member.run
    where: dict[str, Any] = {"where": way.where, "threads": way.threads}
    if run is not None and run.state is RunState.FINISHED:
        return Event(member, Did.USED, run)
    try:
        if run is None:
            on_event(Event(member, Did.TRAINS))
            recipe = member.recipe
            run = _once_free(lambda: train_in_foreground(recipe, store, way.on_progress, **where), member, on_event)
        elif run.state.ended or (run.state is RunState.QUEUED and _left_in_queue(run, store)):
            on_event(Event(member, Did.GOES_ON, run))
            run_id = run.id
            run = _once_free(lambda: resume_in_foreground(run_id, store, way.on_progress, **where), member, on_event)
        else:
            on_event(Event(member, Did.WAITS, run))
            run = _wait_for(run, store)
    except StudyStopped:
        raise
    except LabError as error:
        return Event(member, Did.FAILED, run, error.as_dict())
    if run.state is RunState.STOPPED:
        raise StudyStopped("study_stopped", run=run.id)
    if run.state is not RunState.FINISHED:
        return Event(member, Did.FAILED, run, run.error or {"key": "worker_left_no_result", "params": {}})
    return Event(member, Did.FINISHED, run)


def _once_free(start: Callable[[], Run], member: Member, on_event: Callable[[Event], None]) -> Run:
    """Start once nobody else has the machine's slot. Raises StudyStopped at Ctrl-C while it waits."""
    told = False
    with interrupts() as pressed:
        while True:
            try:
                return start()
            except StateError as error:
                if error.key not in BUSY:
                    raise
            if not told:
                on_event(Event(member, Did.WAITS))
                told = True
            if pressed:
                raise StudyStopped("study_stopped", run="")
            time.sleep(GLANCE)


def _left_in_queue(run: Run, store: Store) -> bool:
    """Whether a queued run has nobody who would start it; it is then taken out of the queue, so that it can be resumed."""
    lock = try_lock(supervisor_path(store.home))
    if lock is None:
        return False
    with lock:
        cancel(store, run.id)
    return True


def _wait_for(run: Run, store: Store) -> Run:
    """Wait until a run that somebody else drives has ended. Raises StudyStopped at Ctrl-C; the run goes on."""
    with interrupts() as pressed:
        while not (now := store.run(run.id)).state.ended:
            if pressed:
                raise StudyStopped("study_stopped", run=run.id)
            settle_gone(store)
            time.sleep(GLANCE)
    return now
