"""Free space of the disk that a home lies on, and the floor below which the lab takes nothing new but judgements.

A full disk stops everybody, and a judgement that cannot be saved is lost work. So what takes space (runs, jobs, uploads, imports,
versions, rule sets) is refused while some is still left for what people are doing. Not here: the reserve for the last
transaction (``group_commit.py``).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.errors import MachineError

FLOOR_BYTES = 200 * 1024 * 1024


def free_bytes(home: Path) -> int | None:
    """Bytes that can still be written; None where the system does not tell."""
    try:
        return shutil.disk_usage(home).free
    except OSError:
        return None


def is_short(home: Path) -> bool:
    """Whether only judgements are taken now."""
    free = free_bytes(home)
    return free is not None and free < FLOOR_BYTES


def require_space(home: Path) -> None:
    """Raise MachineError ``disk_floor`` where only judgements are taken now."""
    free = free_bytes(home)
    if free is not None and free < FLOOR_BYTES:
        raise MachineError("disk_floor", path=home, free=f"{free / 1e6:.0f} MB", floor=f"{FLOOR_BYTES / 1e6:.0f} MB")
