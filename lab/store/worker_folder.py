"""A folder that a worker process writes and others follow: its log, heartbeat, result and stop file, and how both sides write.

Not here: what is only a run's (``run_folder.py``) or only a job's (``jobs.py``).
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.store.lines import Line, append_line, read_json, read_lines, write_json

LOG_TAIL = 64 * 1024


@dataclass
class LinesPage:
    """Lines since a cursor. ``reset``: forget what you have, this page starts over."""

    cursor: int
    reset: bool
    lines: list[Line]


@dataclass
class LogPage:
    """The text of the log since a cursor."""

    cursor: int
    text: str


class WorkerFolder:
    """The folder ``path`` of one worker. Safe for many threads; one process at a time appends."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._append_lock = threading.Lock()
        self._json: dict[str, tuple[tuple[int, int, int], Any]] = {}

    # ---- what it is and became

    @property
    def log_path(self) -> Path:
        """The worker's standard output and error."""
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        """The file that asks the worker to stop."""
        return self.path / "stop"

    def heartbeat(self) -> Any:
        """The worker's last sign of life, or None."""
        return self._read("heartbeat")

    def result(self) -> Any:
        """result.json of the present attempt, or None while there is none."""
        return self._read("result.json")

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

    # ---- stopping

    def request_stop(self, *, now: bool = False, step: int | None = None) -> None:
        """Ask the worker to stop at the end of its step (``step`` is what the page may promise), or at once."""
        self.write("stop", {"time": time.time(), "now": now, "step": step})

    def stop_requested(self) -> bool:
        """Whether the worker is to stop; cheap, asked at every step."""
        return self.stop_path.exists()

    def stop_request(self) -> Line | None:
        """``{"time", "now", "step"}`` of the request, or None. A bare file made by hand counts as "at the step"."""
        if not self.stop_requested():
            return None
        request = self._read("stop")
        return request if isinstance(request, dict) else {"time": time.time(), "now": False, "step": None}

    # ---- writing

    def append(self, name: str, line: Line) -> None:
        """Append one line to ``<name>.jsonl``. Raises MachineError ``disk_full``."""
        with self._append_lock:
            append_line(self.path / f"{name}.jsonl", line)

    def write(self, name: str, value: object, *, durable: bool = True) -> None:
        """Replace the JSON file ``name`` at once. Raises MachineError ``disk_full``."""
        write_json(self.path / name, value, durable=durable)
        self._json.pop(name, None)  # two writes within a tick of the file system's clock can look like one

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


def lines_after(path: Path, since: int) -> tuple[list[Line], int]:
    """The whole lines from byte ``since`` on, and the byte after the last of them."""
    lines, cursor = [], since
    for _start, end, line in read_lines(path, since):
        lines.append(line)
        cursor = end
    return lines, cursor


def page_after(path: Path, since: int) -> LinesPage:
    """The same as a page, which starts over where the file is shorter than its cursor says."""
    reset = since > size_of(path)
    lines, cursor = lines_after(path, 0 if reset else since)
    return LinesPage(cursor, reset, lines)


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


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
