"""Trains what is missing of a study: in the foreground for the command line, or step by step by the supervisor for the page.

A member begins once the entries that it needs have finished. One that failed is told, what needs it is skipped, and the rest goes on.
Stopped at any moment and started again, only what is missing is trained: a run that was cut short goes on from its checkpoint. Not
here: which run is which member (``lab/compare/members.py``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.compare.members import Member, check_study, members
from lab.core.recipes import Recipe
from lab.core.studies import Study, parse_study
from lab.errors import LabError, StateError
from lab.runs.foreground import OnProgress, interrupts, resume_in_foreground, train_in_foreground
from lab.runs.launcher import Launcher
from lab.runs.run_work import cancel, settle_gone
from lab.runs.slots import supervisor_path
from lab.store.lines import read_json, write_json
from lab.store.locks import try_lock
from lab.store.runs import Run, RunState, Store

GLANCE = 0.5
"""Seconds between two looks at a run that somebody else drives."""
BUSY = ("slot_busy", "slot_busy_with_a_job")
"""Errors of a machine that somebody else's run or job has for now."""
ACTIVE = "studies-active.json"


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

    @property
    def complete(self) -> bool:
        """Whether every member has finished."""
        return all(member.finished for member in self.members)


class StudyRefused(LabError):
    """A study of which no member could begin, by the error of the first."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["key"]), **(error.get("params") or {}))


class StudyStopped(StateError):
    """A member was stopped, by Ctrl-C or from elsewhere. The same study goes on from there."""


def study_in_foreground(
    study: Study,
    store: Store,
    on_event: Callable[[Event], None] = lambda event: None,
    on_progress: OnProgress | None = None,
    *,
    launcher: Launcher | None = None,
) -> Outcome:
    """Train what is missing, one run after the other. Raises StudyStopped at Ctrl-C, RecipeError of a study that is not valid."""
    check_study(study)
    settle_gone(store)
    outcome, done = Outcome([]), set[tuple[str, int]]()
    while True:
        every = members(study, store)
        waiting = [member for member in every if (member.entry.name, member.seed) not in done]
        if not waiting:
            outcome.members = every
            return outcome
        member = waiting[0]
        done.add((member.entry.name, member.seed))
        event = _settle(member, store, on_event, on_progress, launcher)
        on_event(event)
        if event.did in (Did.FAILED, Did.SKIPPED):
            outcome.failed.append(event)
        elif event.did is Did.FINISHED and event.run is not None:
            outcome.trained.append(event.run.id)


def _settle(
    member: Member,
    store: Store,
    on_event: Callable[[Event], None],
    on_progress: OnProgress | None,
    launcher: Launcher | None,
) -> Event:
    """Train one member, or see that it is there. Raises StudyStopped."""
    if member.recipe is None:
        return Event(member, Did.SKIPPED)
    run = member.run
    if run is not None and run.state is RunState.FINISHED:
        return Event(member, Did.USED, run)
    try:
        if run is None:
            on_event(Event(member, Did.TRAINS))
            recipe = member.recipe
            run = _once_free(
                lambda: train_in_foreground(recipe, store, on_progress, launcher=launcher), member, on_event
            )
        elif run.state.ended or (run.state is RunState.QUEUED and _left_in_queue(run, store)):
            on_event(Event(member, Did.GOES_ON, run))
            run_id = run.id
            run = _once_free(
                lambda: resume_in_foreground(run_id, store, on_progress, launcher=launcher), member, on_event
            )
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


class Studies:
    """The studies that the page has started in one home; ``advance`` queues what can begin. For the supervisor.

    What is active stands in ``LAB_HOME/cache/studies-active.json``, so that a study goes on after a restart of the app.
    """

    def __init__(self, store: Store, submit: Callable[[Recipe], Run], resume: Callable[[str], Run]) -> None:
        self._store, self._submit, self._resume = store, submit, resume
        self._seen: tuple[tuple[str, str, str], ...] | None = None
        self._lock = threading.RLock()  # a page starts a study while the supervisor goes on with others
        self.errors: dict[str, dict[str, Any]] = {}
        """Why a study could not go on, by its name: ``{"key", "params"}``."""

    def start(self, study: Study) -> list[Member]:
        """Train what is missing of a study, also what failed or was stopped before. Returns its members. Raises LabError."""
        check_study(study)
        with self._lock:
            for member in members(study, self._store):
                if member.run is not None and member.run.state.resumable:
                    self._resume(member.run.id)
            self._write([*(other for other in self.active() if other.name != study.name), study])
            self._seen = None
            self.errors.pop(study.name, None)
            self.advance()
        if study.name in self.errors:
            self.stop(study.name)
            raise StudyRefused(self.errors[study.name])
        return members(study, self._store)

    def stop(self, name: str) -> None:
        """Queue nothing more of a study; a run of it that is going on goes on."""
        with self._lock:
            self._write([study for study in self.active() if study.name != name])

    def active(self) -> list[Study]:
        """The studies that are not complete, in the order in which they were started."""
        stored = read_json(self._place)
        values = stored.get("studies") if isinstance(stored, dict) else None
        return [parse_study(each, ACTIVE) for each in values or []]

    def advance(self) -> None:
        """Queue the members that can begin. Looks at nothing while no run has changed its state."""
        with self._lock:
            states = tuple(self._store.states())
            if states == self._seen or not self._place.exists():
                return
            active = self.active()
            going_on = [study for study in active if self._goes_on(study)]
            if going_on != active:
                self._write(going_on)
            self._seen = tuple(self._store.states())

    def _goes_on(self, study: Study) -> bool:
        """Queue what can begin; whether anything of the study is still to come. One that cannot go on leaves its error."""
        try:
            return self._advance(study)
        except LabError as error:  # its data or its base is gone
            self.errors[study.name] = error.as_dict()
            return False

    def _advance(self, study: Study) -> bool:
        """Queue what can begin; whether anything of the study is queued or runs afterwards."""
        every = members(study, self._store)
        for member in every:
            if member.recipe is not None and member.run is None:
                self._submit(member.recipe)
        return any(not m.run.state.ended for m in members(study, self._store) if m.run is not None)

    def _write(self, studies: list[Study]) -> None:
        self._place.parent.mkdir(exist_ok=True)
        write_json(self._place, {"studies": [study.model_dump(mode="json") for study in studies]})

    @property
    def _place(self) -> Path:
        return self._store.home / "cache" / ACTIVE
