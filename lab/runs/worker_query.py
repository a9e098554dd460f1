"""Ask a worker process for one line of JSON, and keep such answers for a page that must not wait. Only that process loads torch.

What is asked stands in ``estimate.py`` (memory) and ``preview.py`` (rows); what answers, in ``lab/training/__main__.py``.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import psutil

from lab.errors import LabError, ToldError
from lab.runs.launcher import ALWAYS, ROOT

REMEMBERED = 64
ERROR_KEPT = 10.0
"""Seconds that an error stands: what it complains of may be mended meanwhile."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class NoAnswerError(Exception):
    """The process ended without an answer: its exit status, and its last words."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(code, line)
        self.code, self.line = code, line


def ask(arguments: Sequence[str], given: str, patience: float) -> Any:
    """What ``python -m lab.training ARGUMENTS`` answers to ``given``. The page goes first, and its end is this process's too.

    Raises the LabError that it told, NoAnswerError, subprocess.TimeoutExpired after ``patience`` seconds, and OSError.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.training", *arguments],
        cwd=ROOT,
        env=os.environ | ALWAYS | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    atexit.register(process.kill)
    try:
        with suppress(psutil.Error, OSError):
            psutil.Process(process.pid).nice(19 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)  # type: ignore[attr-defined]
        answer, complaint = process.communicate(given, timeout=patience)
    finally:
        process.kill()
        process.wait()
        atexit.unregister(process.kill)
    return _read(process.returncode, answer, complaint)


def _read(code: int, answer: str, complaint: str) -> Any:
    try:
        found = json.loads(_last_line(answer))
        error = ToldError(str(found["key"]), **found["params"]) if code else None
    except (KeyError, TypeError, ValueError):
        raise NoAnswerError(code, (_last_line(complaint) or "?")[:300]) from None
    if error is not None:
        raise error
    return found


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


class Answers(Generic[Asked, Answer]):
    """Answers for a page: asked for again and again while somebody types, found one at a time, the latest first.

    ``look`` never waits. ``find`` is called in a thread of its own; an error that it raises is an answer, for a while.
    """

    def __init__(self, find: Callable[[Asked], Answer]) -> None:
        self._find = find
        self._known: OrderedDict[str, tuple[Answer | LabError, float]] = OrderedDict()
        self._wanted: tuple[str, Asked] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, key: str, asked: Asked) -> Answer | LabError | None:
        """What is known under this key; None while it is looked for, which this call has then asked for."""
        with self._lock:
            if (found := self._standing(key)) is not None:
                return found
            self._wanted = (key, asked)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
                self._thread.start()
        return None

    def known(self, key: str) -> Answer | LabError | None:
        """What was found already, if anything; asks for nothing."""
        with self._lock:
            return self._standing(key)

    def _standing(self, key: str) -> Answer | LabError | None:
        found, at = self._known.get(key, (None, 0.0))
        if isinstance(found, LabError) and time.monotonic() - at > ERROR_KEPT:
            del self._known[key]
            return None
        if found is not None:
            self._known.move_to_end(key)
        return found

    def _work(self) -> None:
        try:
            while (wanted := self._next()) is not None:
                key, asked = wanted
                try:
                    found: Answer | LabError = self._find(asked)
                except LabError as error:
                    found = error
                self._keep(key, found)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():  # it did not end by itself
                    self._thread = None

    def _next(self) -> tuple[str, Asked] | None:
        with self._lock:
            wanted, self._wanted = self._wanted, None
            if wanted is None:
                self._thread = None
            return wanted

    def _keep(self, key: str, found: Answer | LabError) -> None:
        with self._lock:
            self._known[key] = (found, time.monotonic())
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def mark(dataset: str) -> list[int]:
    """Time and size of a file of rows; nothing for what is no file."""
    with suppress(OSError, ValueError):
        found = Path(dataset).expanduser().stat()
        return [found.st_mtime_ns, found.st_size]
    return []
