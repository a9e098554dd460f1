"""Fetch models and datasets for the page: what a recipe needs that is not here, one thing after the other, each by a process of its own.

A process can be ended at any moment, and the next one goes on where it broke off (``downloads.py``, ``hub_data.py``, which do the
work). What is under way belongs to the app, not to a page: a reload finds it. Not here: words and buttons.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.data.hub_rows import HUB, parse_hub, source_of
from lab.errors import LabError, ModelError, StateError, ToldError
from lab.runs.fetch.downloads import Fetching, get_model
from lab.runs.fetch.hub_data import get_data
from lab.runs.launcher import ALWAYS, ROOT
from lab.runs.processes import Identity, end, identity_of
from lab.store.catalogue import known_entry, local_name, models_folder
from lab.store.models import resolve

MODEL, DATA = "model", "data"
WAITING = Fetching("waiting")


@dataclass(frozen=True)
class Thing:
    """A model (by the name that a recipe has) or a dataset of the hub; ``begun`` where part of it is here."""

    kind: str
    name: str
    begun: bool = False
    size_bytes: int | None = None
    licence: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.name


def missing(recipe: Recipe, home: Path) -> list[Thing]:
    """What a recipe names that can be fetched and is not here. What it names wrongly is not said here."""
    return [thing for thing in (_model(recipe.model, home), _data(recipe.dataset, home)) if thing is not None]


def _model(model: str, home: Path) -> Thing | None:
    try:
        resolve(model, home)
    except ModelError as error:
        if error.key != "model_not_here":
            return None
        wanted = str(error.params["value"])  # the model, or the base of an adapter
        name, entry = local_name(wanted), known_entry(wanted)
        begun = name is not None and (models_folder(home) / f"{name}.part").is_dir()
        return Thing(MODEL, wanted, begun, entry.size_bytes if entry else None, entry.licence if entry else "")
    return None


def _data(dataset: str, home: Path) -> Thing | None:
    if not dataset.startswith(HUB):
        return None
    try:
        name = parse_hub(dataset)
    except LabError:
        return None
    folder = name.folder(home)
    return None if source_of(folder) else Thing(DATA, str(name), folder.with_name(folder.name + ".part").is_dir())


class Fetches:
    """What is being fetched, what waits, and what went wrong the last time. Nothing here blocks."""

    def __init__(self, home: Path, answered: Callable[[], None] = lambda: None) -> None:
        """``answered`` is called when a download came further, ended or failed."""
        self._home, self._answered = home.absolute(), answered
        self._lock = threading.Lock()
        self._queue: list[Thing] = []
        self._told: dict[tuple[str, str], Fetching | LabError] = {}
        self._now: tuple[Thing, Identity | None] | None = None
        self._cancelled = False
        """Whether what is under way was cancelled; until its process is gone it may be asked for again."""
        self._thread: threading.Thread | None = None

    def get(self, things: Sequence[Thing]) -> None:
        """Fetch these, after what is under way."""
        with self._lock:
            busy = {thing.key for thing in self._queue} | (
                {self._now[0].key} if self._now and not self._cancelled else set()
            )
            for thing in things:
                if thing.key not in busy:
                    self._queue.append(thing)
                    self._told[thing.key] = WAITING
            if self._queue and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="fetching", daemon=True)
                self._thread.start()

    def cancel(self, things: Sequence[Thing]) -> None:
        """Stop fetching these; what is here of them stays, and the next attempt goes on there."""
        keys = {thing.key for thing in things}
        with self._lock:
            self._queue = [thing for thing in self._queue if thing.key not in keys]
            for key in keys:
                self._told.pop(key, None)
            if self._now is not None and self._now[0].key in keys:
                self._cancelled = True
                if self._now[1] is not None:
                    end(self._now[1], gently=False)

    def told(self, thing: Thing) -> Fetching | LabError | None:
        """How far it is, or why the last attempt failed; None where it is not under way."""
        with self._lock:
            return self._told.get(thing.key)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = self._now = None
                    return
                thing = self._queue.pop(0)
                self._now, self._cancelled = (thing, None), False
            try:
                failure: LabError | None = self._fetch(thing)
            except OSError as error:
                failure = StateError("worker_crashed", code="–", line=str(error))
            with self._lock:
                self._now = None
                if not self._cancelled:  # else what is told of it is of its next attempt
                    self._told.pop(thing.key, None)
                    if failure is not None:
                        self._told[thing.key] = failure
            self._answered()

    def _fetch(self, thing: Thing) -> LabError | None:
        """Fetch one thing in a process; its error, if any."""
        command = [sys.executable, "-m", "lab.runs.fetch.fetching", thing.kind, thing.name, str(self._home)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | ALWAYS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        # Not yet waited for, so the pid is still its own.
        identity = identity_of(process.pid) or Identity(process.pid, 0.0, "")
        with self._lock:
            self._now = (thing, identity)
            if self._cancelled:  # before it began
                end(identity, gently=False)
        stop = atexit.register(lambda: end(identity, gently=False))
        try:
            error = self._listen(thing, process)
            process.wait()
        finally:
            end(identity, gently=False)
            atexit.unregister(stop)
        if process.returncode == 0 or error is not None:
            return error
        return StateError("worker_crashed", code=process.returncode, line="–")

    def _listen(self, thing: Thing, process: subprocess.Popen[str]) -> LabError | None:
        error = None
        for line in process.stdout or ():
            with suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)
                if "key" in message:
                    error = ToldError(str(message["key"]), **message["params"])
                    continue
                with self._lock:
                    if not self._cancelled:
                        self._told[thing.key] = Fetching(**message)
                self._answered()
        return error


def main(arguments: Sequence[str]) -> int:
    """``python -m lab.runs.fetch.fetching model|data NAME HOME``: one line of JSON each time it comes further; an error is the last."""
    kind, name, home = arguments

    def tell(now: Fetching | dict[str, Any]) -> None:
        print(json.dumps(now if isinstance(now, dict) else vars(now)), flush=True)

    try:
        (get_model if kind == MODEL else get_data)(name, Path(home), tell)
    except LabError as error:
        tell(error.as_dict())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
