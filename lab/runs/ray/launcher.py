"""Starts the proxy of a run that goes to a Ray cluster, and finds it again. A second ``Launcher``, beside the local one.

A proxy (``proxy.py``) is a local process like any worker, so that stop, resume and a restart of the app are those of local runs. Jobs
(samples, chats, scores) stay on this machine. Nothing here imports ray.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.runs.launcher import ROOT, LocalLauncher, LocalWorker, worker_environment
from lab.runs.processes import Identity, command_of
from lab.runs.ray.note import forget_place, noted, write_note
from lab.settings import RaySettings
from lab.store.locks import Lock
from lab.store.run_folder import RunFolder
from lab.store.worker_folder import WorkerFolder

PROXY, WITHDRAW = "lab.runs.ray.proxy", "lab.runs.ray.withdraw"
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
"""For our processes that import ray: no telemetry."""


class RayWorker(LocalWorker):
    """A proxy, and the memory that its run's worker holds on its node."""

    def __init__(self, worker: LocalWorker, folder: Path) -> None:
        super().__init__(worker.identity, worker.process)
        self._folder = RunFolder(folder)
        self._withdrawn = False

    def ended(self) -> bool:
        """Whether the proxy is gone. Where it was killed itself its status says nothing of the run, which is *lost* to this machine."""
        if not super().ended():
            return False
        note = noted(self._folder)
        if note.get("exit") is None:
            if (self._folder.stop_request() or {}).get("now"):
                self._withdraw(note)
            self.exit_code = None
        return True

    def _withdraw(self, note: dict[str, Any]) -> None:
        """The proxy was ended before it could end its job: another process does, and a resume begins a job of its own."""
        if self._withdrawn or not note.get("attempt"):
            return
        self._withdrawn = True
        write_note(self._folder, attempt=None)
        with self._folder.log_path.open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", WITHDRAW, str(note["address"]), str(note["attempt"])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=worker_environment(self._folder.path.parents[1], os.environ, 1) | QUIET,
                start_new_session=True,
            )

    def memory(self) -> int | None:
        held = (self._folder.heartbeat() or {}).get("memory_bytes")
        return int(held) if held else None


class RayLauncher(LocalLauncher):
    """Proxies as processes of this machine."""

    gives_way = False

    def __init__(self, settings: RaySettings) -> None:
        super().__init__(lambda path: [sys.executable, "-m", PROXY, str(path)])
        self.settings = settings

    def environment(self, home: Path, threads: int) -> dict[str, str]:
        """That of a worker, and where the cluster is."""
        ours = {"LAB_RAY_ADDRESS": self.settings.address, "LAB_RAY_CPUS": str(self.settings.cpus)}
        return super().environment(home, threads) | ours | QUIET

    def launch(self, folder: WorkerFolder, slot: Lock, *, threads: int | None = None) -> LocalWorker:
        forget_place(folder)
        return RayWorker(super().launch(folder, slot, threads=threads), folder.path)

    def attach(self, identity: Identity) -> LocalWorker:
        """A proxy, or a worker of this machine that was started before the cluster was named."""
        worker, command = super().attach(identity), command_of(identity)
        return RayWorker(worker, Path(command[-1])) if is_proxy(command) else worker


def is_proxy(command: Sequence[str]) -> bool:
    """Whether this is the command line of a proxy."""
    return PROXY in command
