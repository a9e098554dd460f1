"""OS locks: each is held by an open file, and ends with the last process that has it open.

Not here: which locks there are (``lab/runs/slots.py``, ``users.py``) and who waits for them.
"""

from __future__ import annotations

import os
import sys
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


def try_lock(path: Path, mode: int = 0o644) -> Lock | None:
    """The lock of ``path``, or None where someone else holds it; ``mode`` is of the file, where it is made."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    if _lock(file):
        return Lock(file)
    os.close(file)
    return None


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
