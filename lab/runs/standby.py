"""A standby worker: a process that waits with its libraries loaded, so that a run starts without the ten seconds that loading takes.

It is a worker like any other, started before its folder is known (its side is ``lab/training/worker/standby.py``): it holds no slot, no
model and no secret, and ends when the lab does. Over its socket it gets a run's folder, the open log and the
open slot. Where there is none, or its environment differs, a worker is started as usual (``launcher.py``).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lab.machine import machine_memory
from lab.runs.launcher import ROOT, WAITING, LocalLauncher, LocalWorker, lower_priority, worker_environment
from lab.store.lines import read_json
from lab.store.locks import Lock
from lab.store.worker_folder import WorkerFolder

FREE_MEMORY = 3 << 30
"""Bytes that have to be free: a worker that waits holds about 0.5 GB, and a small machine needs them for the run."""


class StandbyLauncher(LocalLauncher):
    """Starts workers of one home, the next one ahead of time. For the supervisor's thread alone."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home
        self._standby: _Standby | None = None
        self._wanted = hasattr(socket, "send_fds")  # not on Windows

    def prepare(self, threads: int | None = None) -> None:
        """Have a worker wait, where this machine has the memory. One that ended before its time is not tried again."""
        if self._standby is not None and self._standby.process.poll() is not None:
            self._drop()
            self._wanted = False
        if self._standby is None and self._wanted and machine_memory()[0] >= FREE_MEMORY:
            self._standby = _start(self._environment(threads))

    def launch(self, folder: WorkerFolder, slot: Lock, *, threads: int | None = None) -> LocalWorker:
        standby, self._standby = self._standby, None
        if standby is not None:
            with standby:
                suits = standby.environment == self._environment(threads)
                if suits and not _reports(folder) and standby.process.poll() is None and standby.take(folder, slot):
                    return LocalWorker.of(standby.process)
                standby.end()
        return super().launch(folder, slot, threads=threads)

    def close(self) -> None:
        """End the worker that waits."""
        self._wanted = False
        self._drop()

    def _drop(self) -> None:
        standby, self._standby = self._standby, None
        if standby is not None:
            with standby:
                standby.end()

    def _environment(self, threads: int | None = None) -> dict[str, str]:
        return worker_environment(self._home, os.environ, threads or self.threads)


def _reports(folder: WorkerFolder) -> bool:
    """Whether a run reports to a tracker, which must be known before the libraries are loaded."""
    stored = read_json(folder.path / "recipe.json") or {}
    return bool((stored.get("recipe") or {}).get("report_to"))


class _Standby:
    """The process, what it was started with, and our end of its socket, which closes with ``with``."""

    def __init__(
        self, process: subprocess.Popen[bytes], environment: Mapping[str, str], channel: socket.socket
    ) -> None:
        self.process, self.environment, self._channel = process, environment, channel

    def __enter__(self) -> _Standby:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def end(self) -> None:
        """End it: it is not needed."""
        self.process.kill()
        self.process.wait()

    def take(self, folder: WorkerFolder, slot: Lock) -> bool:
        """Hand it a run or a job; False where it is gone."""
        with folder.log_path.open("ab") as log, suppress(OSError):
            files = [log.fileno()] + ([slot.file] if slot.file is not None else [])
            socket.send_fds(self._channel, [json.dumps({"folder": str(folder.path)}).encode()], files)
            return True
        return False


def _start(environment: dict[str, str]) -> _Standby | None:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.training", WAITING, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
    except OSError:
        ours.close()
        return None
    lower_priority(process.pid)
    return _Standby(process, environment, ours)
