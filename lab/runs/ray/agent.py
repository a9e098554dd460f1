"""An agent beside a worker on a node of the cluster: keeps files by their hash, starts the worker, and reads out what it has written.

One agent a process of the run; the agents of one node share the run's folder. It is a Ray actor with the run's CPUs and GPU (``job.py``), called
by the lab's own side (``proxy.py``): it sends nothing by itself, so what was not yet fetched waits on its disk. Nothing here imports ray.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lab.runs.launcher import ROOT, worker_command, worker_environment
from lab.runs.ray.parcel import CODE, HOME, TRANSLATED, Entry, Parcel, hash_of, translated

CACHE = "LAB_RAY_CACHE"
"""A node's environment may name the folder that its files are kept in."""
KEPT = 24 * 3600.0
"""Seconds that what an ended worker has written waits to be fetched, with the run's resources held."""
UNCLAIMED = 3600.0
"""Seconds that an agent waits for whoever submitted its job."""
APPENDED = ("log.txt", "metrics.jsonl", "groups.jsonl", "pairs.jsonl", "tokens.jsonl")
"""What a worker appends to: sent by offset."""
REPLACED = ("recipe.json", "before.json", "notes.json", "result.json")
"""What a worker writes at once: sent whole when it has changed."""


def cache_folder() -> Path:
    """The folder of this node in which files are kept by their hash, and the folders of its runs."""
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "alignment-lab")


class NodeAgent:
    """The agent of one process of a run. ``attempt`` names this start of it, ``node`` the node."""

    def __init__(self, attempt: str, node: str, address: str, threads: int) -> None:
        self._root = cache_folder()
        self._blobs = self._root / "files"
        self._folder = self._root / "runs" / f"{attempt}-{node[:12]}"
        self._home = self._folder / "home"
        self._address, self._threads = address, threads
        self._paths: list[tuple[str, str]] = []
        self._run: Path | None = None
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._released = False
        self._visited = time.monotonic()
        self._blobs.mkdir(parents=True, exist_ok=True)

    # ---- where it is

    def where(self) -> dict[str, Any]:
        """This node, for people and for the processes of the run: ``{"host", "address", "port", "folder", "began"}``."""
        with socket.socket() as free:
            free.bind((self._address, 0))
            port = free.getsockname()[1]
        began = self._process is not None
        return {
            "host": socket.gethostname(),
            "address": self._address,
            "port": port,
            "folder": str(self._folder),
            "began": began,
        }

    # ---- files in

    def missing(self, contents: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Of these hashes and sizes the contents that are not here, each with the bytes of it that have come already."""
        wanted = []
        for sha256, _size in contents:
            if not (self._blobs / sha256).exists():
                with suppress(FileNotFoundError):
                    wanted.append((sha256, (self._blobs / f"{sha256}.part").stat().st_size))
                    continue
                wanted.append((sha256, 0))
        return wanted

    def put(self, sha256: str, offset: int, piece: bytes, size: int) -> int:
        """Write a piece of a content; returns how many bytes are here. A content that is not what its name says is dropped.

        Raises ValueError then, and OSError where this node's disk is full.
        """
        part, whole = self._blobs / f"{sha256}.part", self._blobs / sha256
        if whole.exists():
            return size
        with part.open("ab") as file:
            if file.tell() == offset:
                file.write(piece)
            there = file.tell()
        if there < size:
            return there
        if hash_of(part) != sha256:
            part.unlink()
            raise ValueError(f"the content of {sha256} came broken")
        part.replace(whole)
        return size

    def lay_out(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        """Make the run's home of what has come; returns the pairs of the sender's paths and this node's. Another agent may have done it."""
        parcel = Parcel.of(values)
        ours = {HOME: str(self._home), CODE: str(ROOT)}
        self._paths = [(path, _filled(other, ours)) for path, other in parcel.paths]
        self._run = self._home / "runs" / parcel.run
        if parcel.trusted_rules:
            self._environment["LAB_TRUSTED_RULES"] = str(self._home / parcel.trusted_rules)
        if not (self._folder / "laid-out").exists():
            for entry in parcel.entries:
                self._place(entry)
            self._run.mkdir(parents=True, exist_ok=True)
            (self._folder / "laid-out").touch()
        return self._paths

    def paths(self) -> list[tuple[str, str]]:
        """What ``lay_out`` has returned."""
        return self._paths

    def _place(self, entry: Entry) -> None:
        blob, target = self._blobs / entry.sha256, self._home / entry.place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name in TRANSLATED:
            target.write_bytes(translated(blob.read_bytes(), self._paths))
        elif entry.own:
            shutil.copyfile(blob, target)
        else:
            try:
                target.hardlink_to(blob)
            except OSError:  # another file system
                shutil.copyfile(blob, target)

    # ---- the worker

    def begin(self, team: dict[str, str]) -> int:
        """Start the worker, with the variables that make it one of several, or none; returns its pid."""
        if self._process is not None:
            return self._process.pid
        run = self._folder_of_run()
        environment = worker_environment(self._home, os.environ, self._threads) | self._environment | team
        environment |= {"OMP_NUM_THREADS": str(self._threads), "LAB_ENDS_WITH_PARENT": "1"}
        if team:
            environment["GLOO_SOCKET_IFNAME"] = interface_of(self._address)
        with (run / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                worker_command(run),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
        return self._process.pid

    def stop(self, request: bytes) -> None:
        """Ask the worker to stop at the end of its step: its stop file."""
        path = self._folder_of_run() / "stop"
        path.with_name(".stop").write_bytes(request)
        path.with_name(".stop").replace(path)

    def end(self, gently: bool) -> None:
        """SIGTERM or SIGKILL, to the worker and to everything that it started. Nothing where it has ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM if gently else signal.SIGKILL)

    # ---- files out

    def news(self) -> dict[str, Any]:
        """How the worker stands and what lies in its folder.

        ``{"exit": status or None, "memory": bytes, "checkpoints": {name: {file: size}}, "replaced": {name: mark}, "sizes": {name: bytes},
        "heartbeat": bytes or None, "model": {file: size}}``, the model once it has ended. Checkpoints are looked for before
        sizes: once the lines up to these sizes are fetched, no checkpoint is ahead of its lines.
        """
        run = self._folder_of_run()
        self._visited = time.monotonic()
        status = self._process.poll() if self._process is not None else None
        checkpoints = {path.parent.name: files_of(path.parent) for path in run.glob("checkpoints/step-*/complete")}
        return {
            "exit": status,
            "memory": self._memory(),
            "checkpoints": checkpoints,
            "replaced": {name: mark for name in REPLACED if (mark := _mark(run / name))},
            "sizes": {name: path.stat().st_size for name in APPENDED if (path := run / name).exists()},
            "heartbeat": _content(run / "heartbeat"),
            "model": files_of(run / "model") if status is not None else {},
        }

    def read(self, name: str, offset: int, limit: int) -> bytes:
        """A piece of a file of the run's folder. Raises OSError where it is gone."""
        path = self._folder_of_run() / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f"not a file of the run: {name!r}")
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)

    def release(self) -> None:
        """Everything has been fetched: delete the run's folder here. What came by hash stays."""
        self.end(gently=False)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._released = True

    def is_released(self) -> bool:
        """Whether the job may end: all was fetched, or nobody comes any more: for ``KEPT`` seconds since the worker ended,
        or for ``UNCLAIMED`` before it began."""
        working = self._process is not None and self._process.poll() is None
        kept = KEPT if self._process is not None else UNCLAIMED
        if not working and not self._released and time.monotonic() - self._visited > kept:
            self.release()
        return self._released

    def _folder_of_run(self) -> Path:
        if self._run is None:
            raise RuntimeError("the run's files have not been laid out")
        return self._run

    def _memory(self) -> int:
        if self._process is None:
            return 0
        total = 0
        with suppress(psutil.Error):
            worker = psutil.Process(self._process.pid)
            for process in (worker, *worker.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
        return total


def interface_of(address: str) -> str:
    """The name of the network interface that has an address, for gloo, which would else ask the host's name. Raises OSError."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address == address for each in addresses):
            return name
    raise OSError(f"no network interface has the address {address}")


def files_of(folder: Path) -> dict[str, int]:
    """The files of a folder that is whole, with their sizes."""
    paths = (path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else ()
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):  # an old checkpoint that is just being deleted
            found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found


def _filled(text: str, ours: dict[str, str]) -> str:
    for name, path in ours.items():
        text = text.replace(name, path)
    return text


def _mark(path: Path) -> str:
    """What changes when a file is replaced; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_ino}.{status.st_mtime_ns}.{status.st_size}"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
