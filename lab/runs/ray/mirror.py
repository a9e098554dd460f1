"""Writes what an agent reads out into the run's own folder, in an order that a kill at any moment leaves whole.

Lines first, byte by byte from where the local file ends; then small files and checkpoints, each complete before it takes its place; the model once
the worker has ended; ``result.json`` last. Not here: when to look (``proxy.py``).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from lab.runs.ray.connection import Agent
from lab.runs.ray.note import noted, write_note
from lab.runs.ray.parcel import PIECE, TRANSLATED, Paths, translated
from lab.store.run_folder import RunFolder

RESULT = "result.json"


class Mirror:
    """The local side of one run's folder on a node. ``paths`` are pairs of the node's paths and ours."""

    def __init__(self, folder: RunFolder, agent: Agent, paths: Paths) -> None:
        self._folder, self._agent, self._paths = folder, agent, paths
        self._marks: dict[str, str] = {}
        self._beat: bytes | None = None

    def take(self, news: dict[str, Any]) -> None:
        """Fetch everything that is new but the result. Raises LabError as ``Agent.call`` does, and OSError."""
        for name, size in news["sizes"].items():
            self._append(name, size)
        for name, mark in news["replaced"].items():
            if name != RESULT and self._marks.get(name) != mark:
                self._replace(name)
                self._marks[name] = mark
        for name, files in news["checkpoints"].items():
            self._checkpoint(name, files)
        self._forget_checkpoints(news["checkpoints"])
        self._heartbeat(news)

    def finish(self, news: dict[str, Any]) -> None:
        """Fetch the model and then the result of a worker that has ended."""
        if news["model"]:
            self._fetch_folder("model", news["model"])
        if RESULT in news["replaced"]:
            self._replace(RESULT)

    # ---- what is appended

    def _append(self, name: str, size: int) -> None:
        target = self._folder.path / name
        is_log = name == "log.txt"  # the local log has lines of ours besides
        there = int(noted(self._folder).get("log") or 0) if is_log else _size(target)
        while there < size:
            piece = self._agent.call("read", name, there, min(PIECE, size - there))
            if not piece:
                return
            with target.open("ab") as file:
                file.write(piece)
            there += len(piece)
            if is_log:
                write_note(self._folder, durable=False, log=there)

    # ---- what is replaced

    def _replace(self, name: str) -> None:
        draft = self._folder.path / f".{name}.fetched"
        self._fetch(name, draft)
        draft.replace(self._folder.path / name)

    def _fetch(self, name: str, target: Path) -> None:
        """Fetch one file whole, its paths translated, and on the disk before it is renamed."""
        with target.open("wb") as file:
            while piece := self._agent.call("read", name, file.tell(), PIECE):
                file.write(piece)
                if len(piece) < PIECE:
                    break
            file.flush()
            os.fsync(file.fileno())
        if name.rpartition("/")[2] in TRANSLATED:
            target.write_bytes(translated(target.read_bytes(), self._paths))

    def _fetch_folder(self, name: str, files: dict[str, int]) -> None:
        """Fetch a folder beside its place and rename it; a file named ``complete`` is made last."""
        place = self._folder.path / name
        draft = place.with_name(f".{place.name}.fetched")
        shutil.rmtree(draft, ignore_errors=True)
        for file in sorted(files, key=lambda file: (file == "complete", file)):
            target = draft / file
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(f"{name}/{file}", target)
        shutil.rmtree(place, ignore_errors=True)
        draft.replace(place)

    # ---- checkpoints

    def _checkpoint(self, name: str, files: dict[str, int]) -> None:
        if (self._folder.path / "checkpoints" / name / "complete").exists():
            return
        (self._folder.path / "checkpoints").mkdir(exist_ok=True)
        try:
            self._fetch_folder(f"checkpoints/{name}", files)
        except FileNotFoundError:  # a newer one has taken its place meanwhile
            shutil.rmtree(self._folder.path / "checkpoints" / f".{name}.fetched", ignore_errors=True)

    def _forget_checkpoints(self, there: dict[str, Any]) -> None:
        """Delete the checkpoints that the worker has deleted, never the last one that is here."""
        last = self._folder.last_checkpoint()
        for path in (self._folder.path / "checkpoints").glob("step-*"):
            if there and path.name not in there and last is not None and path != last[1]:
                (path / "complete").unlink(missing_ok=True)
                shutil.rmtree(path, ignore_errors=True)

    # ---- the heartbeat

    def _heartbeat(self, news: dict[str, Any]) -> None:
        """The worker's sign of life under our own pid, which is the one that this machine knows, with the memory that it holds there."""
        if not news["heartbeat"] or news["heartbeat"] == self._beat:
            return
        self._beat = news["heartbeat"]
        beat = json.loads(self._beat)
        beat |= {"pid": os.getpid(), "time": time.time(), "memory_bytes": news["memory"]}
        self._folder.write("heartbeat", beat, durable=False)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
