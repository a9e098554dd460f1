"""What somebody chose to compare: a recorded study, a study of this home, or some runs; and its runs, read once while nothing changes.

Not here: the numbers (``runs.py``), what they say (``verdict.py``), how it is chosen (``lab/ui/tabs/compare``).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from lab.compare.members import member_runs, members
from lab.compare.recorded import RecordedStudy, recorded_studies
from lab.compare.runs import ComparedRun, Shelf, compared
from lab.core.studies import Study
from lab.errors import InputError
from lab.store.run_titles import titles_but_for_seeds
from lab.store.runs import Store
from lab.store.studies import load_study, study_names

MOST_RUNS = 8
"""Runs that are chosen by hand."""
KEPT = 6
Kind = Literal["recorded", "study", "runs"]


@dataclass(frozen=True)
class Selection:
    """One choice. ``text`` is what a chooser sends: ``recorded:tiny/course``, ``study:tiny/course`` or ``runs:``."""

    kind: Kind
    study: str = ""
    runs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The value of the chooser."""
        return f"{self.kind}:{self.study}"


@dataclass(frozen=True)
class Selected:
    """The runs of a choice, and where they stand."""

    selection: Selection
    runs: tuple[ComparedRun, ...]
    shelf: Shelf
    study: Study | None = None
    recorded: RecordedStudy | None = None
    wanted: int = 0
    """How many runs the study has in all."""

    @property
    def going_on(self) -> bool:
        """Whether any of its runs waits or runs, so that there is something to wait for."""
        return any(not run.state.ended for run in self.runs)

    def narrowed(self, seeds: Sequence[int] = (), entries: Sequence[str] = ()) -> Selected:
        """Only these seeds and entries (labels where there is no study). None given means all, and so do those alone that no run has: they
        are of an earlier choice."""
        wanted_seeds = {run.seed for run in self.runs}.intersection(seeds)
        wanted_entries = {entry_of(run) for run in self.runs}.intersection(entries)
        runs = [run for run in self.runs if not wanted_seeds or run.seed in wanted_seeds]
        runs = [run for run in runs if not wanted_entries or entry_of(run) in wanted_entries]
        return replace(self, runs=tuple(runs))

    def worded(self, language: str) -> Selected:
        """The same with the labels of the study in a language."""
        if self.study is None:
            return self
        labels = {entry.name: entry.label.of(language) for entry in self.study.entries}
        return replace(self, runs=tuple(replace(run, label=labels.get(run.entry, run.label)) for run in self.runs))


def entry_of(run: ComparedRun) -> str:
    """By what a run is left out or put back: its study's entry, else the run itself."""
    return run.entry or run.run


def parse_selection(text: str, runs: Sequence[str] = ()) -> Selection:
    """A choice as the page sends it. Raises InputError ``compare_choice`` and ``compare_too_many``."""
    kind, _, study = text.partition(":")
    if kind == "recorded":
        return Selection("recorded", study)
    if kind == "study":
        return Selection("study", study)
    if kind != "runs":
        raise InputError("compare_choice", value=text[:80])
    if len(runs) > MOST_RUNS:
        raise InputError("compare_too_many", count=len(runs), most=MOST_RUNS)
    return Selection("runs", runs=tuple(dict.fromkeys(runs)))


class Selections:
    """Reads choices of one home, each only once while nothing changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: dict[Selection, tuple[Selected, str, str]] = {}
        self._recorded = cache(RecordedStudy)

    def offered(self) -> list[Selection]:
        """What there is to choose: recorded studies first, since they can be looked at before anything is trained."""
        recorded = [Selection("recorded", name) for name in recorded_studies()]
        own = [Selection("study", name) for name in study_names(self._store.home)]
        return [*recorded, *own, Selection("runs")]

    def read(self, selection: Selection, runs: str, progress: str = "") -> Selected:
        """The runs of a choice. Raises LabError where the study or a run is not there, or does not validate.

        ``runs`` and ``progress`` are the marks that hold now (``lab/runs/changes.py``): a choice is read anew where the first one differs,
        and while any of its runs goes on, where the second one does.
        """
        with self._lock:
            kept = self._kept.get(selection)
        if kept is not None and (
            selection.kind == "recorded" or (kept[1] == runs and (kept[2] == progress or not kept[0].going_on))
        ):
            return kept[0]
        selected = self._read(selection)
        with self._lock:
            self._kept.pop(selection, None)
            self._kept[selection] = (selected, runs, progress)
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return selected

    def _read(self, selection: Selection) -> Selected:
        if selection.kind == "recorded":
            return self._read_recorded(selection)
        if selection.kind == "study":
            study = load_study(selection.study, self._store.home)
            every = members(study, self._store)
            ids, entries = member_runs(every)
            runs = compared(self._store, ids, study=study.name, entries=entries)
            return Selected(selection, tuple(runs), self._store, study, wanted=len(every))
        titles = titles_but_for_seeds([self._store.run(run_id) for run_id in selection.runs])
        entries = {run_id: ("", title) for run_id, title in titles.items()}
        runs = compared(self._store, selection.runs, entries=entries)
        return Selected(selection, tuple(runs), self._store, wanted=len(runs))

    def _read_recorded(self, selection: Selection) -> Selected:
        places = recorded_studies()
        if selection.study not in places:
            raise InputError("compare_choice", value=selection.text[:80])
        recorded = self._recorded(places[selection.study])
        runs = tuple(recorded.compared())
        return Selected(selection, runs, recorded, recorded.study, recorded, wanted=len(runs))
