"""One worker process that waits with its libraries loaded, so that a run starts at once and not after the ten seconds that they take.

It is a worker like any other, started before anybody knows what for (``lab/training/worker/standby.py`` is its side): it holds no slot, no
model and no secret, and ends when the lab does. What it is told over its socket are a run's folder, the open log and the
open slot. Where there is none, or it does not suit the run, a worker is started as ever (``launcher.py``).
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
from lab.runs.launcher import ROOT, WAITING, LocalLauncher, LocalWorker, step_back, worker_environment
from lab.store.locks import Lock
from lab.store.worker_folder import WorkerFolder

FREE_MEMORY = 3 << 30
"""Bytes that have to be free: a worker that waits holds about 0.5 GB, and a small machine needs them for the run."""


class SpareLauncher(LocalLauncher):
    """Starts workers of one home, the next one ahead of time. For the supervisor's thread alone."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home
        self._spare: _Spare | None = None
        self._wanted = hasattr(socket, "send_fds")  # not on Windows

    def prepare(self) -> None:
        """Have a worker wait, where this machine has the memory. One that ended before its time is not tried again."""
        if self._spare is not None and self._spare.process.poll() is not None:
            self._drop()
            self._wanted = False
        if self._spare is None and self._wanted and machine_memory()[0] >= FREE_MEMORY:
            self._spare = _start(self._environment())

    def launch(self, folder: WorkerFolder, slot: Lock) -> LocalWorker:
        spare, self._spare = self._spare, None
        if spare is not None:
            with spare:
                suits = spare.environment == worker_environment(folder.path.parent.parent, os.environ, self.threads)
                if suits and spare.process.poll() is None and spare.take(folder, slot):
                    return LocalWorker.of(spare.process)
                spare.end()
        return super().launch(folder, slot)

    def close(self) -> None:
        """End the worker that waits."""
        self._wanted = False
        self._drop()

    def _drop(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            with spare:
                spare.end()

    def _environment(self) -> dict[str, str]:
        return worker_environment(self._home, os.environ, self.threads)


class _Spare:
    """The process, what it was started with, and our end of its socket, which closes with ``with``."""

    def __init__(
        self, process: subprocess.Popen[bytes], environment: Mapping[str, str], channel: socket.socket
    ) -> None:
        self.process, self.environment, self._channel = process, environment, channel

    def __enter__(self) -> _Spare:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def end(self) -> None:
        """It is not needed."""
        self.process.kill()
        self.process.wait()

    def take(self, folder: WorkerFolder, slot: Lock) -> bool:
        """Hand it a run or a job; False where it is gone."""
        with folder.log_path.open("ab") as log, suppress(OSError):
            files = [log.fileno()] + ([slot.file] if slot.file is not None else [])
            socket.send_fds(self._channel, [json.dumps({"folder": str(folder.path)}).encode()], files)
            return True
        return False


def _start(environment: dict[str, str]) -> _Spare | None:
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
    step_back(process.pid)
    return _Spare(process, environment, ours)
