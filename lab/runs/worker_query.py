"""Queries a worker process for one line of JSON, and caches the answers so that a page handler never blocks. Only the worker loads torch.

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

from pydantic import BaseModel

from lab.core.recipes import Recipe
from lab.errors import LabError, MachineError, ToldError, last_line
from lab.runs.launcher import ALWAYS, ROOT, lower_priority

PATIENCE = 600.0
"""Seconds for one answer."""
REMEMBERED = 64
ERROR_KEPT = 10.0
"""Seconds for which an error is kept: its cause may be mended meanwhile."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Measured = TypeVar("Measured", bound=BaseModel)


class NoAnswerError(Exception):
    """The process ended without an answer: its exit status, and the last line that it wrote."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(code, line)
        self.code, self.line = code, line


def ask(arguments: Sequence[str], given: str, patience: float, *, threads: int = 1) -> Any:
    """What ``python -m lab.training ARGUMENTS`` answers to ``given``. It has a low priority, and ends with this process.

    ``threads``: how many it computes with.

    Raises the LabError that it told, NoAnswerError, subprocess.TimeoutExpired after ``patience`` seconds, and OSError.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.training", *arguments],
        cwd=ROOT,
        env=os.environ | ALWAYS | {"OMP_NUM_THREADS": str(threads)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    atexit.register(process.kill)
    try:
        lower_priority(process.pid)
        answer, complaint = process.communicate(given, timeout=patience)
    finally:
        process.kill()
        process.wait()
        atexit.unregister(process.kill)
    return _read(process.returncode, answer, complaint)


def measure(
    model: type[Measured], arguments: Sequence[str], recipe: Recipe, *, late: str, failed: str, threads: int = 1
) -> Measured:
    """What a worker measures of a recipe, validated. ``late`` and ``failed`` are the keys of the MachineErrors that it raises besides
    the LabError that the worker told."""
    try:
        return model.model_validate(ask(arguments, recipe.model_dump_json(), PATIENCE, threads=threads))
    except subprocess.TimeoutExpired:
        raise MachineError(late, seconds=round(PATIENCE)) from None
    except NoAnswerError as error:
        raise MachineError(failed, why=error.line) from None
    except (OSError, ValueError) as error:
        raise MachineError(failed, why=str(error)[:300]) from None


def recipe_key(recipe: Recipe, irrelevant: frozenset[str]) -> str:
    """What a measurement depends on: the settings besides ``irrelevant``; a data file counts with its time and size."""
    values = {name: value for name, value in recipe.model_dump(mode="json").items() if name not in irrelevant}
    return json.dumps([values, mark(recipe.dataset)], sort_keys=True)


def _read(code: int, answer: str, complaint: str) -> Any:
    try:
        value = json.loads(last_line(answer))
        error = ToldError(str(value["key"]), **value["params"]) if code else None
    except (KeyError, TypeError, ValueError):
        raise NoAnswerError(code, last_line(complaint, "?")[:300]) from None
    if error is not None:
        raise error
    return value


class Answers(Generic[Question, Answer]):
    """Answers for a page, which asks again and again while somebody types: one at a time, the latest question first.

    ``look`` never waits. ``find`` runs in a thread of its own; a LabError that it raises is the answer for ERROR_KEPT seconds.
    """

    def __init__(self, find: Callable[[Question], Answer], answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when something is known that was not before."""
        self._find, self._answered = find, answered
        self._known: OrderedDict[str, tuple[Answer | LabError, float]] = OrderedDict()
        self._wanted: tuple[str, Question] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, key: str, question: Question) -> Answer | LabError | None:
        """The answer under this key, or the error; None while it is being found, which this call starts."""
        with self._lock:
            if (answer := self._standing(key)) is not None:
                return answer
            self._wanted = (key, question)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
                self._thread.start()
        return None

    def known(self, key: str) -> Answer | LabError | None:
        """The answer under this key if there is one; starts nothing."""
        with self._lock:
            return self._standing(key)

    def _standing(self, key: str) -> Answer | LabError | None:
        answer, at = self._known.get(key, (None, 0.0))
        if isinstance(answer, LabError) and time.monotonic() - at > ERROR_KEPT:
            del self._known[key]
            return None
        if answer is not None:
            self._known.move_to_end(key)
        return answer

    def _work(self) -> None:
        try:
            while (wanted := self._next()) is not None:
                key, question = wanted
                try:
                    answer: Answer | LabError = self._find(question)
                except LabError as error:
                    answer = error
                self._keep(key, answer)
        finally:
            with self._lock:
                if self._thread is threading.current_thread():  # it did not end by itself
                    self._thread = None

    def _next(self) -> tuple[str, Question] | None:
        with self._lock:
            wanted, self._wanted = self._wanted, None
            if wanted is None:
                self._thread = None
            return wanted

    def _keep(self, key: str, answer: Answer | LabError) -> None:
        with self._lock:
            self._known[key] = (answer, time.monotonic())
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._answered()


def mark(dataset: str) -> list[int]:
    """Time and size of a file of rows; nothing for what is no file."""
    with suppress(OSError, ValueError):
        status = Path(dataset).expanduser().stat()
        return [status.st_mtime_ns, status.st_size]
    return []
