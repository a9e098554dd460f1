"""A file that is being read, as a page shows it: how far it is, and a way to end it. What reads it is the store's.

A handler that reads is a generator: it yields the progress some times a second, and the last it yields is the result.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from lab.annotation.pairs_file import Preview
from lab.errors import LabError
from lab.sandbox.files import Progress
from lab.store.uploads import Seen
from lab.ui.notice import quiet
from lab.words import say

EVERY = 0.4
"""Seconds from one sight of the progress to the next."""


class Cancellable(Protocol):
    """What is being read: a file of pairs, or of rows to train on."""

    def read(self) -> Iterator[Progress]:
        """Read it to its end."""

    def cancel(self) -> None:
        """End it, from any thread."""


class File(Cancellable, AbstractContextManager[Any], Protocol):
    """One that is closed once it was read."""


class Readings:
    """Which file each page is reading, so that its Cancel ends that one."""

    def __init__(self) -> None:
        self._reading: dict[str, Cancellable] = {}
        self._lock = threading.Lock()

    def follow(self, session: str, file: Cancellable) -> Iterator[Progress]:
        """Read a file to its end; what is yielded is to be shown. A file that the same page was reading before is ended."""
        self.cancel(session)
        with self._lock:
            self._reading[session] = file
        shown = time.monotonic()
        try:
            for progress in file.read():
                if time.monotonic() - shown > EVERY:
                    shown = time.monotonic()
                    yield progress
        finally:
            with self._lock:
                if self._reading.get(session) is file:
                    del self._reading[session]

    def states(self, session: str, file: File, found: Callable[[], object]) -> Iterator[Any]:
        """None, then the progress while a file is read, then what ``found`` makes of it, or the LabError that it ended with."""
        yield None
        try:
            with file:
                yield from self.follow(session, file)
                yield found()
        except LabError as error:
            yield error

    def cancel(self, session: str) -> None:
        """End what a page is reading, if anything."""
        with self._lock:
            file = self._reading.pop(session, None)
        if file is not None:
            file.cancel()


def session_of(request: Any) -> str:
    """What tells one open page from another."""
    return str(getattr(request, "session_hash", "") or "")


def about_file(found: Preview | Seen, told: list[str], language: str) -> str:
    """What is said of a file that was read, as HTML: after ``told`` what was assumed, and which columns were passed over."""
    told = told + [say(f"data_note.{note.key}", language, **note.params) for note in found.notes]
    if found.passed_over:
        names = say("plan.list", language).join(found.passed_over)
        told.append(say("annotate.passed_over", language, names=names))
    return quiet(*told)


def progress_bar(progress: Progress | None, language: str) -> str:
    """Rows read so far, and the share of the file's bytes where it is known; None before the first row."""
    if progress is None:
        told, value = say("reading.begins", language), ""
    elif progress.share is None:
        told, value = say("reading.rows", language, rows=f"{progress.rows:,}"), ""
    else:
        share = f"{progress.share:.0%}"
        told = say("reading.rows_of", language, rows=f"{progress.rows:,}", share=share)
        value = f' max="1" value="{progress.share:.3f}"'
    label = html.escape(told, quote=True)
    return f'<div class="fetch-line" role="status"><span>{label}</span><progress aria-label="{label}"{value}></progress></div>'
