"""A run's folder: every path in it and every reader of it, for the page, the command line and the worker alike.

Not here: which runs there are and in what state (``runs.py``). The folder can be read without the database, while the
run goes on, after a restart, and as a copy on another machine; the formats stand in ``docs/architecture.md``.

Readers that follow a run take a cursor and return the next one. A cursor is opaque to whoever holds it. When a resumed
run drops what lay beyond its checkpoint, the reader says ``reset`` and starts over.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.store.group_index import GroupIndex, GroupRow, GroupsPage
from lab.store.lines import Line, append_line, read_json, read_lines, write_json

LOG_TAIL = 64 * 1024
RECENT_BYTES = 64 * 1024
_FRAME_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})")
_CHECKPOINT = re.compile(r"step-(\d{1,12})")


@dataclass
class LinesPage:
    """Metric lines since a cursor, without those that a resume dropped."""

    cursor: int
    reset: bool
    lines: list[Line]


@dataclass
class LogPage:
    """The text of the log since a cursor."""

    cursor: int
    text: str


@dataclass
class Frame:
    """Everything that is new in a run since one cursor. ``reset``: forget what you have, this frame starts over."""

    cursor: str
    reset: bool
    metrics: list[Line]
    groups: list[GroupRow]
    prompts: list[str]
    log: str

    def empty(self) -> bool:
        """Nothing new."""
        return not (self.reset or self.metrics or self.groups or self.log)


class RunFolder:
    """The folder ``path`` of one run. Safe for many threads; one process at a time appends."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._groups = GroupIndex(self.path / "groups.jsonl")
        self._append_lock = threading.Lock()
        self._json: dict[str, tuple[tuple[int, int, int], Any]] = {}
        self._recent: tuple[tuple[int, int], list[Line]] = ((0, 0), [])

    # ---- paths

    @property
    def log_path(self) -> Path:
        """The worker's standard output and error."""
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        """The file that asks the worker to stop."""
        return self.path / "stop"

    @property
    def model_path(self) -> Path:
        """The trained model, once it is saved."""
        return self.path / "model"

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of ``step`` belongs. It counts once it holds a file named ``complete``."""
        return self.path / "checkpoints" / f"step-{step}"

    # ---- what the run is and became

    def recipe(self) -> Any:
        """recipe.json: ``{"version", "recipe", "versions", "seed", "dataset_hash"}``."""
        return self._read("recipe.json")

    def heartbeat(self) -> Any:
        """The worker's last sign of life, or None."""
        return self._read("heartbeat")

    def result(self) -> Any:
        """result.json of the present attempt, or None while there is none."""
        return self._read("result.json")

    def last_checkpoint(self) -> tuple[int, Path] | None:
        """The latest complete checkpoint as (step, path)."""
        found = [
            (int(match[1]), path)
            for path in (self.path / "checkpoints").glob("step-*")
            if (match := _CHECKPOINT.fullmatch(path.name)) and (path / "complete").exists()
        ]
        return max(found, default=None)

    def has_groups(self) -> bool:
        """Whether any group was written."""
        try:
            return (self.path / "groups.jsonl").stat().st_size > 0
        except OSError:
            return False

    # ---- followers

    def metrics(self, since: int = 0) -> LinesPage:
        """Metric lines after the cursor ``since``."""
        path = self.path / "metrics.jsonl"
        lines, cursor = _after(path, since)
        reset = since > _size(path) or (since > 0 and any("resumed_from" in line for line in lines))
        if reset:
            lines, cursor = _after(path, 0)
        return LinesPage(cursor, reset, without_dropped(lines))

    def groups_index(self, since: int = 0) -> GroupsPage:
        """Index rows of the groups after the cursor ``since``."""
        return self._groups.page(since)

    def group_lines(self, first: int, last: int) -> list[Line]:
        """The groups of the steps ``first`` to ``last``, both included."""
        return [json.loads(line) for line in self._groups.raw(first, last)]

    def group_lines_raw(self, first: int, last: int) -> list[bytes]:
        """The same as they stand on disk, one JSON text a group, for whoever only passes them on."""
        return self._groups.raw(first, last)

    def log(self, since: int = 0, limit: int = LOG_TAIL) -> LogPage:
        """The log's text after byte ``since``; from 0, or from beyond its end, only its last ``limit`` bytes."""
        try:
            with self.log_path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = since if 0 < since <= size else max(0, size - limit)
                file.seek(start)
                data = file.read(limit)
        except FileNotFoundError:
            return LogPage(0, "")
        if start > since:  # we cut in somewhere: begin with a whole line
            skipped = data.find(b"\n") + 1
            start, data = start + skipped, data[skipped:]
        data = data[: _whole_characters(data)]
        return LogPage(start + len(data), data.decode(errors="replace"))

    def frame(self, since: str = "") -> Frame:
        """Metrics, groups and log after one cursor, for a follower of the whole run."""
        match = _FRAME_CURSOR.fullmatch(since)
        metrics_since, groups_since, log_since = (int(part) for part in match.groups()) if match else (0, 0, 0)
        metrics, groups = self.metrics(metrics_since), self.groups_index(groups_since)
        reset = metrics.reset or groups.reset
        if reset:
            metrics, groups, log_since = self.metrics(), self.groups_index(), 0
        log = self.log(log_since)
        cursor = f"{metrics.cursor}.{groups.cursor}.{log.cursor}"
        return Frame(cursor, reset, metrics.lines, groups.rows, groups.prompts, log.text)

    def recent_metrics(self) -> list[Line]:
        """The latest lines of the present attempt, as many as a fixed number of bytes holds; kept between calls."""
        path = self.path / "metrics.jsonl"
        try:
            status = path.stat()
        except OSError:
            return []
        if self._recent[0] != (status.st_ino, status.st_size):
            start = max(0, status.st_size - RECENT_BYTES)
            lines: list[Line] = []
            for _start, _end, line in read_lines(path, start):  # the first may be a part of a line: passed over
                lines = [] if "resumed_from" in line else [*lines, line]
            self._recent = ((status.st_ino, status.st_size), lines)
        return self._recent[1]

    # ---- stopping and resuming

    def request_stop(self, *, now: bool = False, step: int | None = None) -> None:
        """Ask the worker to stop at the end of its step (``step`` is what the page may promise), or at once."""
        write_json(self.stop_path, {"time": time.time(), "now": now, "step": step})

    def stop_requested(self) -> bool:
        """Whether the worker is to stop; cheap, asked at every step."""
        return self.stop_path.exists()

    def stop_request(self) -> Line | None:
        """``{"time", "now", "step"}`` of the request, or None. A bare file made by hand counts as "at the step"."""
        if not self.stop_requested():
            return None
        found = self._read("stop")
        return found if isinstance(found, dict) else {"time": time.time(), "now": False, "step": None}

    def note_resume(self, step: int) -> None:
        """Written by a worker that goes on from ``step``: what lies beyond it no longer counts."""
        for name in ("metrics", "groups"):
            if _size(self.path / f"{name}.jsonl"):
                self.append(name, {"resumed_from": step})

    def prepare_resume(self) -> None:
        """Put the last attempt's result aside (``result.1.json``, …) and forget its stop request and heartbeat."""
        if (result := self.path / "result.json").exists():
            number = 1 + sum(1 for _ in self.path.glob("result.*.json"))
            result.replace(self.path / f"result.{number}.json")
        self.stop_path.unlink(missing_ok=True)
        (self.path / "heartbeat").unlink(missing_ok=True)

    # ---- writing

    def append(self, name: str, line: Line) -> None:
        """Append one line to ``<name>.jsonl``. Raises MachineError ``disk_full``."""
        with self._append_lock:
            append_line(self.path / f"{name}.jsonl", line)

    def write(self, name: str, value: object, *, durable: bool = True) -> None:
        """Replace the JSON file ``name`` at once. Raises MachineError ``disk_full``."""
        write_json(self.path / name, value, durable=durable)

    def _read(self, name: str) -> Any:
        """A small JSON file, parsed once for each time it was written, so that many watchers cost a stat each."""
        path = self.path / name
        try:
            status = path.stat()
        except OSError:
            return None
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if (known := self._json.get(name)) and known[0] == mark:
            return known[1]
        value = read_json(path)
        self._json[name] = (mark, value)
        return value


def without_dropped(lines: list[Line]) -> list[Line]:
    """The lines that still count: a ``{"resumed_from": n}`` takes away the earlier ones with a step beyond n."""
    kept: list[Line] = []
    for line in lines:
        if "resumed_from" in line:
            kept = [earlier for earlier in kept if earlier.get("step", 0) <= line["resumed_from"]]
        else:
            kept.append(line)
    return kept


def _after(path: Path, since: int) -> tuple[list[Line], int]:
    lines, cursor = [], since
    for _start, end, line in read_lines(path, since):
        lines.append(line)
        cursor = end
    return lines, cursor


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _whole_characters(data: bytes) -> int:
    """The length of ``data`` without a UTF-8 character that was cut at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:  # the first byte of a character of 2 to 4
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if back >= needed else len(data) - back
        if byte < 0x80:
            break
    return len(data)
