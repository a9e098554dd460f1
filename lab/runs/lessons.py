"""The process that answers the Learn tab's questions: started by the first question, kept while they come, ended when none has for a while.

It takes no slot, as estimates and previews do (``worker_query.py``): the tiny model costs a fraction of a second of one core, and a reader
must not wait for the run that they have just started. What it computes stands in ``lab/training/worker/lessons.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.core.lessons import Question
from lab.errors import MachineError, ToldError
from lab.machine import machine_memory
from lab.runs.launcher import ROOT, worker_environment

IDLE = 180.0
"""Seconds without a question after which the process ends."""
PATIENCE = 240.0
"""Seconds for one answer, the loading of the libraries with it: ten on a machine at rest, minutes on one that is overloaded."""
MEMORY = 1 << 30
"""Bytes that have to be free: the process holds about half of it."""


class Lessons:
    """Questions to one process, one after the other. For any thread."""

    def __init__(self, home: Path, *, idle: float = IDLE, patience: float = PATIENCE) -> None:
        self._home, self._idle, self._patience = home, idle, patience
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def ask(self, question: Question) -> dict[str, Any]:
        """The answer, when it is this question's turn. Raises MachineError ``lesson_late``, ``lesson_ended`` or ``lesson_memory``, and the
        LabError that the process told."""
        with self._lock:
            self._stop_timer()
            process = self._running()
            started = time.monotonic()
            late = threading.Timer(self._patience, process.kill)
            late.start()
            try:
                line = self._exchange(process, question)
            finally:
                late.cancel()
            if not line:
                self._end()
                if time.monotonic() - started >= self._patience:
                    raise MachineError("lesson_late", seconds=round(self._patience))
                raise MachineError("lesson_ended", log=self._log)
            self._start_timer()
        told = json.loads(line)
        if "error" in told:
            raise ToldError(str(told["error"]["key"]), **told["error"]["params"])
        answer: dict[str, Any] = told["answer"]
        return answer

    def close(self) -> None:
        """End the process, and with it a question that it is working on."""
        if (process := self._process) is not None:
            process.kill()
        with self._lock:
            self._stop_timer()
            self._end()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    # ---- inside; the lock is held

    @property
    def _log(self) -> Path:
        return self._home / "cache" / "lessons.txt"

    @staticmethod
    def _exchange(process: subprocess.Popen[str], question: Question) -> str:
        """The process's line; empty where it ended."""
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):
            process.stdin.write(question.model_dump_json() + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        return ""

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            if (free := machine_memory()[0]) < MEMORY:
                raise MachineError("lesson_memory", free=free, need=MEMORY)
            self._process = self._start()
        return self._process

    def _start(self) -> subprocess.Popen[str]:
        """The process ends by itself when its standard input does: with the lab, however that ends. Somebody waits for each of its
        answers, so it keeps the priority of the page, and computes with one thread."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "lab.training", "--lessons", str(self._home.absolute())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=worker_environment(self._home, os.environ, 1),
                text=True,
                encoding="utf-8",
            )

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._idle, self._end_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_idle(self) -> None:
        """In the timer's own thread: end the process, unless a question came meanwhile."""
        with self._lock:
            if threading.current_thread() is self._timer:
                self._end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        process.kill()
        process.wait()
