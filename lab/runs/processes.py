"""Knowing a process again, and ending it with everything it started. Nothing about runs.

A pid alone says little: it is given anew. Pid, start time and boot id together name one process for ever, through a
restart of the app and of the machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Identity:
    """One process, on one boot of one machine."""

    pid: int
    started: float  # clock ticks since boot on Linux (no clock change moves it), seconds since 1970 elsewhere
    boot_id: str

    def as_values(self) -> dict[str, Any]:
        """What is noted of it: ``{"pid", "pid_started", "boot_id"}``."""
        return {"pid": self.pid, "pid_started": self.started, "boot_id": self.boot_id}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Identity | None:
        """The identity that was noted; None where one of the three is missing."""
        pid, started, boot = (values.get(name) for name in ("pid", "pid_started", "boot_id"))
        return None if pid is None or started is None or boot is None else cls(pid, started, boot)


@cache
def boot_id() -> str:
    """The name of this boot of this machine."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    return str(round(psutil.boot_time() / 60))


def identity_of(pid: int) -> Identity | None:
    """The identity of the process that has this pid now; None where there is none."""
    started = _started(pid)
    return None if started is None else Identity(pid, started, boot_id())


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs. A zombie does not: it only waits to be counted."""
    if identity.boot_id != boot_id():
        return False
    started = _started(identity.pid)
    if started is None or abs(started - identity.started) > (0 if sys.platform == "linux" else 1.0):
        return False
    try:
        return bool(psutil.Process(identity.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_of(identity: Identity) -> list[str]:
    """The command line of a live process; empty where it is gone or does not tell."""
    try:
        return psutil.Process(identity.pid).cmdline() if is_alive(identity) else []
    except psutil.Error:
        return []


def family(identity: Identity) -> list[psutil.Process]:
    """The process, if it is alive, its descendants, and whoever is left of the session that it led."""
    if identity.boot_id != boot_id():
        return []
    members: dict[int, psutil.Process] = {}
    if is_alive(identity):
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(identity.pid)
            members = {process.pid: process for process in [leader, *leader.children(recursive=True)]}
    elif identity_of(identity.pid) not in (None, identity):
        return []  # the pid belongs to someone else now, and so would its session
    for pid in _session(identity.pid):
        with suppress(psutil.NoSuchProcess):
            members.setdefault(pid, psutil.Process(pid))
    return list(members.values())


def end(identity: Identity, *, gently: bool) -> None:
    """Ask the whole family to end (SIGTERM), or end it (SIGKILL)."""
    members = family(identity)
    # The group first, in one call: a family that is forking cannot slip through it.
    if hasattr(os, "killpg") and members:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(identity.pid, signal.SIGTERM if gently else signal.SIGKILL)
    for process in members:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if gently and process.pid == identity.pid and hasattr(os, "killpg"):
                continue  # it has its signal: a second one would be taken as impatience
            process.terminate() if gently else process.kill()


def _started(pid: int) -> float | None:
    try:
        if sys.platform == "linux":
            # Field 22; the name in field 2 may hold spaces and brackets, so count from its end.
            text = Path(f"/proc/{pid}/stat").read_text()
            return float(text[text.rindex(")") + 2 :].split()[19])
        return float(psutil.Process(pid).create_time())
    except (OSError, psutil.Error):
        return None


def _session(leader: int) -> list[int]:
    if not hasattr(os, "getsid"):
        return []
    members = []
    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == leader and pid != leader:
                members.append(pid)
    return members
