"""The studies that the page has started: queues each member once the entries that it needs have finished.

Not here: which run is which member (``lab/compare/members.py``), a study in the foreground (``foreground_study.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.compare.members import Member, check_study, members
from lab.core.recipes import Recipe
from lab.core.studies import BudgetKind, Study, parse_study
from lab.errors import LabError
from lab.store.lines import read_json, write_json
from lab.store.runs import Run, Store

ACTIVE = "studies-active.json"
LIGHT = ("tiny",)
"""Bases whose runs are light: two of them go on at once, each on one thread."""


def is_light(study: Study) -> bool:
    """Whether its runs are light (``Turns.is_light``): the lab's own tiny models, for which a second thread does little. A budget of
    seconds is spent on an idle machine."""
    several = any(entry.changes.get("processes", 1) != 1 for entry in study.entries)
    return study.base in LIGHT and not several and study.budget.kind is not BudgetKind.SECONDS


class StudyRefused(LabError):
    """A study of which no member could begin, by the error of the first."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["key"]), **(error.get("params") or {}))


class Studies:
    """The studies that the page has started in one home; ``advance`` queues what can begin. For the supervisor.

    What is active stands in ``LAB_HOME/cache/studies-active.json``, so that a study goes on after a restart of the app.
    """

    def __init__(self, store: Store, submit: Callable[[Recipe], Run], resume: Callable[[str], Run]) -> None:
        self._store, self._submit, self._resume = store, submit, resume
        self._seen: tuple[tuple[str, str, str], ...] | None = None
        self._light: frozenset[str] = frozenset()
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

    def is_light(self, run_id: str) -> bool:
        """Whether a run is a member of a light study that is going on."""
        return run_id in self._light

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
        there = [member.run for member in members(study, self._store) if member.run is not None]
        if is_light(study):
            self._light |= {run.id for run in there}
        return any(not run.state.ended for run in there)

    def _write(self, studies: list[Study]) -> None:
        self._place.parent.mkdir(exist_ok=True)
        write_json(self._place, {"studies": [study.model_dump(mode="json") for study in studies]})

    @property
    def _place(self) -> Path:
        return self._store.home / "cache" / ACTIVE
