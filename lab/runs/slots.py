"""Where the locks of a home stand: one for each slot (a GPU, or the CPU), one for the supervisor; and who holds one.

BESIDE is the slot of a chat that answers on the CPU beside whatever holds the machine's own.

Not here: the locks themselves (``lab/store/locks.py``), and who waits for them. A slot's open file is handed on to the worker, so
the slot stays taken for as long as the worker lives, whatever becomes of the process that started it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lab.store.locks import Lock, try_lock

SLOTS = 2
"""Slots of runs and jobs. The second one is for light work alone, beside other light work."""

FREE_MEMORY = 2 << 30
"""Bytes that have to be free before a second light run starts beside the first."""

CLUSTER_SLOTS = 64
"""Runs that may be on a cluster at once, whatever it has room for: each has a process here that mirrors it (``ray/proxy.py``)."""

MACHINE, BESIDE = 0, SLOTS
"""The slot of runs and jobs, and that of a chat beside them."""


def slot_path(home: Path, slot: int | str = MACHINE) -> Path:
    """The lock file of a slot."""
    return home / "slots" / f"{slot}.lock"


def free_slot(home: Path, count: int = SLOTS, where: str = "") -> Lock | None:
    """The first of so many slots that nobody holds; None where all are held."""
    slots = (try_lock(slot_path(home, f"{where}{number}")) for number in range(count))
    return next((slot for slot in slots if slot is not None), None)


def free_cluster_slot(home: Path) -> Lock | None:
    """The first slot on a cluster that nobody holds; None where all are held."""
    return free_slot(home, CLUSTER_SLOTS, "cluster-")


def work_slots(home: Path) -> list[Path]:
    """The lock files that the worker of a run or a job may hold, but for a chat's."""
    return [*(slot_path(home, number) for number in range(SLOTS)), *sorted((home / "slots").glob("cluster-*.lock"))]


def supervisor_path(home: Path) -> Path:
    """The lock file of the one supervisor of a home."""
    return home / "slots" / "supervisor.lock"


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
