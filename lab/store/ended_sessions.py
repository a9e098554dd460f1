"""Sessions that were ended before their time: signing out takes effect on the server, so that a copied cookie opens nothing.

A file of the home, ``ended_sessions``: one line a session, its id and until when (seconds since 1970) its cookie would have lasted. It is
only added to; at the start the lines that have run out are dropped. Not here: what a session is (``lab/server/session.py``).
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

FILE = "ended_sessions"


class EndedSessions:
    """The ended sessions of a home. Thread-safe; one process writes."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = threading.Lock()
        self._ended = _read(self._path)
        if self._ended:
            with suppress(OSError):  # a full disk: the longer file serves as well
                draft = self._path.with_name(f".{FILE}")
                draft.write_text("".join(f"{session} {until:.0f}\n" for session, until in self._ended.items()), "ascii")
                draft.replace(self._path)

    def __contains__(self, session: str) -> bool:
        return quote(session) in self._ended

    def end(self, session: str, until: float) -> None:
        """End a session whose cookie lasts ``until``. Where the disk is full it is ended until the lab is started anew."""
        session = quote(session)
        if not session:
            return
        with self._lock:
            if session in self._ended:
                return
            self._ended[session] = until
            with suppress(OSError):
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(f"{session} {until:.0f}\n")
                    file.flush()
                    os.fsync(file.fileno())


def _read(path: Path) -> dict[str, float]:
    ended: dict[str, float] = {}
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text("ascii").splitlines():
            session, _, until = line.partition(" ")
            with suppress(ValueError):
                if float(until) > time.time():
                    ended[session] = float(until)
    return ended
