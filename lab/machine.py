"""The memory of this machine, within a container's limit where there is one. Not here: a GPU's memory, which only a worker can read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def machine_memory() -> tuple[int, int]:
    """Free and all memory, in bytes. What the system keeps of files counts as free."""
    memory = psutil.virtual_memory()
    free, total = int(memory.available), int(memory.total)
    with suppress(OSError, ValueError, StopIteration):  # no container, or no limit ("max")
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        files = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return min(free, max(0, limit - used + files)), min(total, limit)
    return free, total
