"""The lab as a person starts it, for a bench to measure: ``python app.py`` with a home of its own, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.errors import LabError
from lab.runs.launcher import WAITING
from lab.runs.processes import end, is_alive
from lab.runs.run_work import run_identity, stop
from lab.store.runs import RunState, Store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds that a start may take
MB = 1_000_000


@dataclass(frozen=True)
class RunningLab:
    """A lab that answers."""

    url: str
    home: Path
    process: psutil.Process
    seconds_to_start: float

    def cpu_seconds(self) -> float:
        """Processor time of the page process so far; its workers do not count."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def peak_memory(self) -> float:
        """The most megabytes that the page process has held; what it holds now where the system does not tell."""
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines()
            return int(next(line.split()[1] for line in status if line.startswith("VmHWM:"))) * 1024 / MB
        return float(self.process.memory_info().rss) / MB

    def wait_for_standby(self) -> None:
        """Return once the worker that waits has its libraries loaded: it takes no more processor time. Raises RuntimeError without one."""
        end, before = time.monotonic() + PATIENCE, -1.0
        while time.monotonic() < end:
            waiting = [child for child in self.process.children() if WAITING in child.cmdline()]
            now = sum(times.user + times.system for child in waiting for times in [child.cpu_times()])
            if waiting and now == before:
                return
            before = now
            time.sleep(1)
        raise RuntimeError("no worker waits with its libraries loaded")


@contextmanager
def home() -> Iterator[Path]:
    """An empty LAB_HOME; afterwards it is gone, and with it whatever worker still runs in it."""
    with tempfile.TemporaryDirectory(prefix="lab-bench-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "home"
        try:
            yield place
        finally:
            _kill_workers(place)


@contextmanager
def store(place: Path) -> Iterator[Store]:
    """The store of a home, closed afterwards."""
    opened = Store(place, allow_unsafe_disk=True)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def running(place: Path, **environment: str) -> Iterator[RunningLab]:
    """The lab on a free port; its runs, its workers and itself are ended afterwards. ``environment`` is what it is started with."""
    port, log = _free_port(), place.parent / "app.txt"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), "--home", str(place)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**plain, "LAB_ALLOW_UNSAFE_DISK": "1", **environment},
            start_new_session=True,  # Ctrl-C is for the bench; it ends the lab itself
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(url, process, log)
        yield RunningLab(url, place, psutil.Process(process.pid), time.perf_counter() - started)
    finally:
        try:
            _end_runs(place)
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the lab did not answer:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def _end_runs(place: Path) -> None:
    """Workers outlive the lab by design; those of a bench do not: the lab stops them, now."""
    if not (place / "lab.db").exists():
        return
    with store(place) as opened:
        deadline = time.monotonic() + 30
        while (active := opened.in_state(RunState.QUEUED, RunState.RUNNING)) and time.monotonic() < deadline:
            for run in active:
                with suppress(LabError):
                    stop(opened, run.id, now=True)
            time.sleep(0.25)


def _kill_workers(place: Path) -> None:
    """Those that nobody watches any more, as where a bench was cut off."""
    if not (place / "lab.db").exists():
        return
    with store(place) as opened:
        for run in opened.in_state(RunState.RUNNING):
            identity = run_identity(run)
            if identity is not None and is_alive(identity):
                end(identity, gently=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
