"""OS locks: one for each slot (a GPU, or the CPU) and one for the supervisor. Not here: who waits for them.

A lock is held by an open file. A slot's file is handed on to the worker, so the slot stays taken for as long as the
worker lives, whatever becomes of the process that started it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


class Lock:
    """A lock that this process holds, and can hand on to a child."""

    def __init__(self, file: int | None) -> None:
        self.file = file

    def release(self) -> None:
        """Let go here. A child that the open file was handed to still holds the lock."""
        if self.file is not None:
            os.close(self.file)
            self.file = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def slot_path(home: Path, slot: int = 0) -> Path:
    """The lock file of a slot."""
    return home / "slots" / f"{slot}.lock"


def supervisor_path(home: Path) -> Path:
    """The lock file of the one supervisor of a home."""
    return home / "slots" / "supervisor.lock"


def try_lock(path: Path) -> Lock | None:
    """The lock of ``path``, or None where someone else holds it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if _lock(file):
        return Lock(file)
    os.close(file)
    return None


def note_holder(lock: Lock) -> None:
    """Write this process's pid into the lock file, for the message that another one shows."""
    if lock.file is not None:
        with suppress(OSError):
            os.ftruncate(lock.file, 0)
            os.lseek(lock.file, 0, os.SEEK_SET)
            os.write(lock.file, str(os.getpid()).encode())


def holder(path: Path) -> str:
    """The pid that a lock file names, or ``?``."""
    with suppress(OSError):
        return path.read_text().strip() or "?"
    return "?"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        # Not handed on to a child: there, a slot is free again once the app is gone.
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
