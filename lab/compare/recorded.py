"""Recorded studies: recipes, results, curves and a sample of groups of a finished study, small enough to ship with the lab.

A recorded study is a folder: ``study.json`` and ``runs/<id>/`` with the files of a run folder (docs/formats.md), of which
``metrics.jsonl`` and ``groups.jsonl`` hold only some lines. It is a ``Shelf``, so that everything that compares runs reads it like a
home; it trains nothing, and what is made of it says *recorded*. Not here: shipped recordings' place (``lab/store/studies.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.compare.members import member_runs, members
from lab.compare.runs import ComparedRun, compared
from lab.core.studies import Study, parse_study
from lab.errors import InputError, StateError
from lab.store.lines import Line, dump, read_json, write_json
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store
from lab.store.studies import RECORDED

VERSION = 1
INDEX = "study.json"
MOST_BYTES = 3_000_000
"""What may ship."""
MOST_LINES = 240
"""Metric lines of a run that are kept besides its held-out measurements; thinned evenly."""
SHORT_DIGITS = 5
LEFT_OUT = frozenset({"pid", "pid_started", "boot_id", "error", "parent", "recipe"})


@dataclass(frozen=True)
class Recording:
    """What was written."""

    path: Path
    runs: int
    groups: int
    size: int
    """Bytes of all files."""


class RecordedStudy:
    """A recorded study in ``path``, read only. Raises InputError ``recorded_broken``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        index = read_json(path / INDEX)
        if not isinstance(index, dict) or index.get("version") != VERSION or not isinstance(index.get("runs"), list):
            raise InputError("recorded_broken", path=path, why=f"{INDEX} is missing or of another version")
        self.study: Study = parse_study(index["study"], str(path / INDEX))
        self.made: float = float(index.get("made") or 0)
        self.machine: str = str(index.get("machine") or "")
        self.command: str = str(index.get("command") or "")
        self._rows: dict[str, Mapping[str, Any]] = {str(row["id"]): row for row in index["runs"]}
        self._folders: dict[str, RunFolder] = {}

    def runs(self) -> list[str]:
        """The ids of its runs, in the order of the study."""
        return list(self._rows)

    def run(self, run_id: str) -> Run:
        """One run as it was when it was recorded. Raises StateError ``no_such_run``."""
        row = self._rows.get(run_id)
        if row is None:
            raise StateError("no_such_run", run=run_id[:64])
        stored = self.folder(run_id).recipe()
        recipe = stored["recipe"] if isinstance(stored, dict) else {}
        return Run(
            id=run_id,
            name=str(row["name"]),
            algorithm=str(row["algorithm"]),
            state=RunState(row["state"]),
            recipe=recipe,
            parent=None,
            created=float(row["created"]),
            queued=None,
            started=row["started"],
            ended=row["ended"],
            pid=None,
            pid_started=None,
            boot_id=None,
            error=None,
        )

    def folder(self, run_id: str) -> RunFolder:
        """Its folder; the same object for each caller, which keeps what it has read."""
        if run_id not in self._rows:
            raise StateError("no_such_run", run=run_id[:64])
        return self._folders.setdefault(run_id, RunFolder(self.path / "runs" / run_id))

    def compared(self) -> list[ComparedRun]:
        """All its runs, as a comparison sees them."""
        entries = {run_id: (str(row["entry"]), str(row["label"])) for run_id, row in self._rows.items()}
        return compared(self, self.runs(), study=self.study.name, entries=entries, recorded=True)


def recorded_studies() -> dict[str, Path]:
    """The recorded studies that ship with the lab: their folders by the name of the study."""
    named = {}
    for place in sorted(RECORDED.glob(f"*/{INDEX}")):
        index = read_json(place)
        if isinstance(index, dict) and isinstance(index.get("study"), dict):
            named[str(index["study"].get("name"))] = place.parent
    return named


def record(study: Study, store: Store, path: Path, *, groups: int = 2, most_bytes: int = MOST_BYTES) -> Recording:
    """Write a finished study to ``path``; ``groups`` of each measured step are kept.

    Raises StateError ``record_not_finished``, InputError ``record_in_the_way`` and ``record_too_big`` (then nothing is left there).
    """
    every = members(study, store)
    if missing := [member for member in every if not member.finished]:
        raise StateError("record_not_finished", study=study.name, count=len(missing), all=len(every))
    if path.exists() and any(path.iterdir()) and not (path / INDEX).exists():
        raise InputError("record_in_the_way", path=path)
    draft = path.with_name(path.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    runs, _entries = member_runs(every)
    kept = sum(_record_run(store.folder(run_id), draft / "runs" / run_id, groups) for run_id in runs)
    rows = [_row(member.run, member.entry.name, member.entry.label.en, member.seed) for member in every if member.run]
    write_json(draft / INDEX, {"version": VERSION, "study": study.model_dump(mode="json"), **_made(study, rows)})
    size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file())
    if size > most_bytes:
        shutil.rmtree(draft)
        raise InputError("record_too_big", size=f"{size / 1e6:.1f} MB", most=f"{most_bytes / 1e6:.1f} MB")
    shutil.rmtree(path, ignore_errors=True)
    draft.rename(path)
    return Recording(path, len(runs), kept, size)


def _made(study: Study, rows: list[dict[str, Any]]) -> dict[str, Any]:
    import os
    import platform

    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    command = f"python -m lab study {study.name} --record presets/studies/recorded/{study.name.replace('/', '-')}"
    return {"made": max(row["ended"] or 0 for row in rows), "machine": machine, "command": command, "runs": rows}


def _row(run: Run, entry: str, label: str, seed: int) -> dict[str, Any]:
    own = {name: getattr(run, name) for name in ("id", "name", "algorithm")} | {"state": run.state.value}
    times = {name: getattr(run, name) for name in ("created", "started", "ended")}
    return {**own, "entry": entry, "label": label, "seed": seed, **times}


def _record_run(folder: RunFolder, target: Path, groups: int) -> int:
    """Copy one run; the number of its groups that were kept."""
    target.mkdir(parents=True)
    for name in ("recipe.json", "result.json", "heartbeat", "before.json", "notes.json"):
        value = read_json(folder.path / name)
        if value is not None:
            write_json(target / name, {**value, "pid": 0} if name == "heartbeat" else value)
    lines = folder.metrics().lines
    held_out = [line for line in lines if "held_out" in line]
    steps = [line for line in lines if "held_out" not in line]
    every = max(1, -(-len(steps) // MOST_LINES))
    chosen = {id(line) for line in [*held_out, *steps[every - 1 :: every]]}
    _write_lines(target / "metrics.jsonl", [line for line in lines if id(line) in chosen])
    sample = _sample_of_groups(folder, [int(line["step"]) for line in held_out], groups)
    if sample:
        _write_lines(target / "groups.jsonl", sample)
    return len(sample)


def _sample_of_groups(folder: RunFolder, measured: list[int], most: int) -> list[Line]:
    """Some groups of the first step and of each step that was measured: the first ones, so that nobody picked them."""
    rows = folder.groups_index().rows
    there = sorted({row.step for row in rows})
    steps = {there[0]} if there else set()
    for step in measured:
        before = [each for each in there if each <= step]
        if before:
            steps.add(before[-1])
    return [line for step in sorted(steps) for line in folder.group_lines(step, step)[:most]]


def _write_lines(path: Path, lines: list[Line]) -> None:
    path.write_bytes(b"".join(dump(_short(line)) + b"\n" for line in lines))


def _short(value: Any) -> Any:
    """The same with numbers of five digits, but times and whole numbers as they are."""
    if isinstance(value, float):
        return value if abs(value) >= 1e6 else float(f"{value:.{SHORT_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value
