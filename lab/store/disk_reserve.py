"""A little space that is kept for the moment when the disk is full, so that the database can still say so."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

SIZE = 512 * 1024


def keep(home: Path) -> None:
    """Take the space, where it is not taken and there is plenty."""
    path = home / "reserve"
    with suppress(OSError):
        if not path.exists() and shutil.disk_usage(home).free > 4 * SIZE:
            path.write_bytes(os.urandom(SIZE))  # random: some file systems store zeros in no space


def release(home: Path) -> bool:
    """Give the space free; whether there was any."""
    try:
        (home / "reserve").unlink()
    except OSError:
        return False
    return True
