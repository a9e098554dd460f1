"""Reading files that people bring, in a process that can be killed: its handle. What runs there is ``inside_files.py``.

A file may be built to unpack to any size, or never to end. So none is opened here: one process reads one file, under limits of memory
and size, and what comes out of it is passed on batch by batch. ``cancel`` ends it from any thread. Only ordinary files are read.
"""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lab import errors
from lab.data.columns import guess_columns
from lab.data.other_kinds import check_kind, kind_of_columns
from lab.errors import DatasetError, LabError, MachineError, StateError
from lab.sandbox.worker import end, kill, killed_after, start

LONGEST_SILENCE = 120.0
"""Seconds from one line of the answer to the next, after which the process is killed."""

MOST_FILE_BYTES = 100 * 2**20
"""A larger file is refused before it is read."""
MOST_ROWS = 1_000_000
MOST_COLUMNS = 2_000
MOST_CHARACTERS = 500_000_000
"""Of text that a file unpacks to: five times the bytes of the largest file that is taken."""

KINDS = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}
"""Of what is no file; others are devices."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far reading is."""

    rows: int
    share: float | None
    """Of the file's bytes; None where it is not known."""


def ordinary_file(path: Path) -> None:
    """Raise DatasetError where a path, or what it links to, is no ordinary file: a pipe, a device, a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise DatasetError("dataset_missing", path=path) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise DatasetError("dataset_unreadable", path=path, reason=why) from error
    if not stat.S_ISREG(mode):
        raise DatasetError("file_not_ordinary", path=path, kind=KINDS.get(stat.S_IFMT(mode), "device"))


class Reading:
    """One file being read. Iterate over it for the lines of the answer, and ``close`` it at the end."""

    def __init__(self, task: str, path: Path, *, most_bytes: int, **asked: object) -> None:
        self.path = path.expanduser().absolute()
        self._request: Mapping[str, object] = {
            "task": task,
            "path": str(self.path),
            "most_bytes": most_bytes,
            "budget": {"rows": MOST_ROWS, "columns": MOST_COLUMNS, "characters": MOST_CHARACTERS},
            **asked,
        }
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End it, from any thread: the iterating caller gets StateError ``reading_cancelled``."""
        self._cancelled.set()
        if (process := self._process) is not None:
            kill(process)

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def __iter__(self) -> Iterator[Line]:
        """The lines of the answer as they come. Raises the LabError that reading ended with; one sentence, whatever the file does."""
        ordinary_file(self.path)
        self._process = process = start("inside_files.py", {"ARROW_DEFAULT_MEMORY_POOL": "system"})
        assert process.stdin
        with contextlib.suppress(OSError):  # it died: the missing answer below says so
            process.stdin.write(json.dumps(self._request) + "\n")
            process.stdin.close()
        while True:
            line = self._line(process)
            if "error" in line:
                raise _told(line["error"])
            if "done" in line:
                return
            yield line

    def _line(self, process: subprocess.Popen[str]) -> Line:
        assert process.stdout
        with killed_after(LONGEST_SILENCE, process) as late:
            text = process.stdout.readline()
        if self._cancelled.is_set():
            raise StateError("reading_cancelled", path=self.path)
        if text.endswith("\n"):
            line: Line = json.loads(text)
            return line
        if late.is_set():
            raise DatasetError("file_too_slow", path=self.path, seconds=f"{LONGEST_SILENCE:g}")
        # It was killed: by its limit of memory in a library that cannot say so, or by the system that had none left.
        raise DatasetError("file_memory", path=self.path)


class FileReader:
    """Something that a ``Reading`` makes of a file. Use it as a context, so that the process ends with it."""

    _reading: Reading | None = None
    found_columns: tuple[str, ...] = ()
    """The file's columns; known even where the file is refused."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.close()

    def cancel(self) -> None:
        """End reading, from any thread: ``read`` then raises StateError ``reading_cancelled``."""
        if self._reading is not None:
            self._reading.cancel()

    def guess_of(self, wanted: Iterable[str]) -> dict[str, str]:
        """Which column is likely which: the lab's names → the file's; empty where nothing looks like one of the wanted."""
        names = list(wanted)
        return guess_columns(self.found_columns, names) | {name: name for name in names if name in self.found_columns}

    def _read_through(self, path: Path, take: Callable[[Line], None]) -> Iterator[Progress]:
        """Read the file to its end, each line of the answer given to ``take``. Raises DatasetError: it cannot be read, or belongs elsewhere."""
        assert self._reading is not None
        check_kind(path)
        try:
            for line in self._reading:
                self.found_columns = tuple(line.get("columns", self.found_columns))
                take(line)
                if "rows" in line:
                    yield Progress(line["rows"], line.get("share"))
        except DatasetError as error:
            raise kind_of_columns(path, self.found_columns) or error from None


def _told(error: Mapping[str, Any]) -> LabError:
    """The error that the process ended with."""
    kind = getattr(errors, str(error["kind"]), MachineError)
    raised: LabError = kind(str(error["key"]), **error["params"])
    return raised


def read_records(path: Path, *, most_bytes: int) -> tuple[list[dict[str, Any]], int | None]:
    """The rows of a file, and the line of the first that is none. Raises DatasetError as ``Reading`` does."""
    rows: list[dict[str, Any]] = []
    broken: int | None = None
    with contextlib.closing(Reading("records", path, most_bytes=most_bytes)) as reading:
        for line in reading:
            rows += line.get("records", [])
            broken = line.get("broken", broken) if broken is None else broken
    return rows, broken
