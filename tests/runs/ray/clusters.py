"""Real Ray clusters for tests: `ray start` in processes of its own, ended with everything that they started.

One at a time on a machine: the Ray Client servers of every head take their ports from 23000 on, and those of two heads get in each other's way.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lab.settings import RaySettings

PATIENCE = 600.0
"""Seconds that anything may take on a machine that does other things as well; Ray needs up to a minute to start a process there."""
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_worker_niceness": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
}


class Cluster:
    """A head, and nodes that join it. Each node keeps its files in a folder of its own."""

    def __init__(self, cpus: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lab-ray-", dir="/tmp"))  # short: sockets lie in it
        self.port, self.client = free_port(), free_port()
        self.settings = RaySettings(f"ray://127.0.0.1:{self.client}")
        self.nodes = 0
        self.start_head(cpus)

    def start_head(self, cpus: int) -> None:
        ports = [f"--port={self.port}", f"--ray-client-server-port={self.client}", f"--dashboard-port={free_port()}"]
        self._start("--head", *ports, f"--num-cpus={cpus}", f"--temp-dir={self.folder / 'session'}")

    def add_node(self, cpus: int) -> None:
        self._start(f"--address=127.0.0.1:{self.port}", f"--num-cpus={cpus}")

    def cache(self, node: int) -> Path:
        """Where the files of a node lie, the head's first."""
        return self.folder / f"cache-{node}"

    def _start(self, *arguments: str) -> None:
        environment = (
            os.environ | RAY | {"LAB_RAY_CACHE": str(self.cache(self.nodes)), "LAB_TEST_CLUSTER": str(self.folder)}
        )
        for name in ("RAY_ADDRESS", "PYTHONPATH"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments]
        command += [
            f"--dashboard-agent-listen-port={free_port()}",
            "--disable-usage-stats",
            "--min-worker-port=0",
            "--max-worker-port=0",
        ]
        done = subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.nodes += 1

    def processes(self) -> list[psutil.Process]:
        """Everything that this cluster has started, workers of runs too; some write over what would tell them."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                told = process.environ().get("LAB_TEST_CLUSTER") == str(self.folder)
                if process.pid != os.getpid() and (told or str(self.folder) in " ".join(process.cmdline())):
                    found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        return list(found.values())

    def workers(self, rank: int | None = None) -> list[psutil.Process]:
        """The processes that train."""
        found = [each for each in self.processes() if "lab.training" in command(each)]
        return found if rank is None else [each for each in found if each.environ().get("RANK") == str(rank)]

    def kill(self) -> None:
        """SIGKILL everything of Ray's at once, but for the processes that train: as where its machine loses power, for whoever is elsewhere."""
        for process in self.processes():
            if "lab.training" not in command(process):
                with suppress(psutil.Error):
                    process.kill()

    def close(self) -> None:
        deadline = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < deadline:
            for process in left:
                with suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            time.sleep(0.2)
        shutil.rmtree(self.folder, ignore_errors=True)


def command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return value
