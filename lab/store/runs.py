"""Runs and their states: rows of the database, each with a folder.

Not here: starting and stopping (``lab/runs``), what stands inside a folder (``run_folder.py``).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata as installed
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, Row, delete, insert, select, update

from lab.core.recipes import Recipe
from lab.errors import InputError, LabError, MachineError, StateError
from lab.store.database import open_database, runs_table
from lab.store.group_commit import GroupCommit, Work, keep_reserve
from lab.store.run_folder import RunFolder
from lab.store.run_references import named_runs, stands_on
from lab.store.space import require_space

RECORDED_VERSIONS = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "numpy", "vllm")
FOLDERS_IN_MEMORY = 64
NAME_LENGTH = 120
T = TypeVar("T")
_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}")
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for each other


class RunState(StrEnum):
    """queued → running → one of the other four."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (RunState.QUEUED, RunState.RUNNING)

    @property
    def resumable(self) -> bool:
        """Whether the run can go on from its last checkpoint."""
        return self in (RunState.STOPPED, RunState.FAILED, RunState.LOST)


@dataclass(frozen=True)
class Run:
    """One execution of a recipe, as the database knows it. Times are seconds since 1970."""

    id: str
    name: str
    algorithm: str
    state: RunState
    recipe: dict[str, Any]
    parent: str | None  # the run whose model it starts from
    created: float
    queued: float | None
    started: float | None
    ended: float | None
    pid: int | None
    pid_started: float | None
    boot_id: str | None
    error: dict[str, Any] | None  # {"key", "params"}


class Store:
    """The lab's home: ``lab.db`` and the folders of the runs. Safe for many threads, and for many processes."""

    def __init__(self, home: Path | str, *, allow_unsafe_disk: bool = False) -> None:
        self.home = Path(home).expanduser().absolute()
        try:
            for name in ("runs", "models", "exports", "slots"):
                (self.home / name).mkdir(parents=True, exist_ok=True)
            probe = self.home / f".write-test-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise MachineError("home_not_writable", home=self.home, reason=error.strerror or error) from error
        self._engine = open_database(self.home, allow_unsafe_disk=allow_unsafe_disk)
        self._reader = self._engine.execution_options(read_only=True)
        self.writer = GroupCommit(self._engine, self.home)
        self._folders: dict[str, RunFolder] = {}
        self._lock = threading.Lock()
        keep_reserve(self.home)
        for rest in (self.home / "runs").glob(".deleted-*"):
            shutil.rmtree(rest, ignore_errors=True)

    def close(self) -> None:
        """Write the waiting works, then close the database."""
        self.writer.close()
        self._engine.dispose()

    # ---- for the other modules of this room

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one moment of the database and takes no lock."""
        return self._reader.begin()

    def require_space(self) -> None:
        """Raise MachineError ``disk_floor`` where so little space is left that only judgements are taken."""
        require_space(self.home)

    def writing(self, work: Work[T]) -> T:
        """The answer of ``work`` once it is committed (``group_commit.py``)."""
        return self.writer.submit(work).result()

    # ---- reading

    def run(self, run_id: str) -> Run:
        """The run of that id. Raises StateError ``no_such_run``."""
        rows = self._select(runs_table.c.id == run_id) if valid_run_id(run_id) else []
        if not rows:
            raise StateError("no_such_run", run=run_id[:64])
        return rows[0]

    def runs(self) -> list[Run]:
        """All runs, the newest first."""
        return self._select()

    def in_state(self, *states: RunState) -> list[Run]:
        """The runs in these states, the newest first."""
        return self._select(runs_table.c.state.in_([str(state) for state in states]))

    def states(self) -> list[tuple[str, str, str]]:
        """``(id, name, state)`` of every run, the newest first; it reads no recipe, so it can be called often."""
        columns = (runs_table.c.id, runs_table.c.name, runs_table.c.state)
        statement = select(*columns).order_by(runs_table.c.created.desc(), runs_table.c.id.desc())
        with self._reader.begin() as connection:
            return [(row.id, row.name, row.state) for row in connection.execute(statement)]

    def queue(self) -> list[Run]:
        """The queued runs, the next one first."""
        return sorted(self.in_state(RunState.QUEUED), key=lambda run: (run.queued or run.created, run.id))

    def folder(self, run_id: str) -> RunFolder:
        """The run's folder; all callers get the same object and so share what it has read."""
        if not valid_run_id(run_id):
            raise StateError("no_such_run", run=run_id[:64])
        with self._lock:
            folder = self._folders.pop(run_id, None) or RunFolder(self.home / "runs" / run_id)
            self._folders[run_id] = folder  # last used, last in the dict
            while len(self._folders) > FOLDERS_IN_MEMORY:
                del self._folders[next(iter(self._folders))]
            return folder

    # ---- changing

    def create_run(self, recipe: Recipe, *, dataset_hash: str | None = None) -> Run:
        """A new queued run, with its folder and ``recipe.json``; its parent is the run that it starts from."""
        values = recipe.model_dump(mode="json")
        model = str(values.get("model") or "")
        parent = model[4:] if model.startswith("run:") and valid_run_id(model[4:]) else None
        now = time.time()
        require_space(self.home)
        keep_reserve(self.home)
        run_id, path = self._new_folder(now)
        try:
            about = {"version": 1, "recipe": values, "versions": versions(), "seed": values.get("seed")}
            RunFolder(path).write("recipe.json", {**about, "dataset_hash": dataset_hash})
            statement = insert(runs_table).values(
                id=run_id,
                name=clean_name(recipe.name or recipe.algorithm),
                algorithm=str(recipe.algorithm),
                state=RunState.QUEUED.value,
                recipe=json.dumps(values),
                parent=parent,
                created=now,
                queued=now,
            )
            self._write(statement)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return self.run(run_id)

    def rename_run(self, run_id: str, name: str) -> Run:
        """Give the run another name."""
        self.change(run_id, name=clean_name(name))
        return self.run(run_id)

    def delete_run(self, run_id: str) -> None:
        """Delete an ended run, its folder too. Raises StateError where it still runs or another run needs it."""
        run = self.run(run_id)
        if not run.state.ended:
            raise StateError("run_not_ended", run=run.name, state=run.state)
        self._refuse_where_needed(run)
        # Renamed first: a crash in between leaves a folder that the next start sweeps, never a row without its data.
        path, aside = self.home / "runs" / run.id, self.home / "runs" / f".deleted-{run.id}"
        with suppress(FileNotFoundError):
            path.rename(aside)
        self._write(delete(runs_table).where(runs_table.c.id == run.id))
        with self._lock:
            self._folders.pop(run.id, None)
        shutil.rmtree(aside, ignore_errors=True)
        keep_reserve(self.home)

    def change(
        self,
        run_id: str,
        *,
        only_if: Iterable[RunState] | None = None,
        where: Mapping[str, Any] | None = None,
        then: Callable[[], object] | None = None,
        **values: Any,
    ) -> bool:
        """Set columns of a run's row, if it is in one of the states ``only_if`` and its columns are as in ``where``; whether it was.

        For ``lab/runs``: a state changes by this one conditional statement, so that two processes that watch the same
        worker cannot settle it twice. ``then`` is called where the row was changed and before anybody else can see it or
        change it again; what it raises undoes the change. It may be called twice.
        """
        if "error" in values and values["error"] is not None:
            error = values["error"]
            values["error"] = json.dumps(error.as_dict() if isinstance(error, LabError) else error)
        if "state" in values:
            values["state"] = RunState(values["state"]).value
        statement = update(runs_table).where(runs_table.c.id == run_id).values(**values)
        if only_if is not None:
            statement = statement.where(runs_table.c.state.in_([state.value for state in only_if]))
        for column, value in (where or {}).items():
            statement = statement.where(runs_table.c[column] == value)  # None becomes IS NULL

        def work(connection: Connection) -> bool:
            changed = connection.execute(statement).rowcount == 1
            if changed and then is not None:
                then()
            return changed

        return self.writing(work)

    # ---- inside

    def _refuse_where_needed(self, run: Run) -> None:
        """Raise StateError where a run that can go on names ``run``, or where a run's model is an adapter on its model."""
        path = self.home / "runs"
        for other in self.runs():
            if other.id == run.id:
                continue
            if (not other.state.ended or other.state.resumable) and run.id in named_runs(other.recipe):
                raise StateError("run_is_needed", run=run.name, by=f"{other.name} ({other.id})", state=other.state)
            if stands_on(path / other.id, path / run.id):
                raise StateError("run_is_a_base", run=run.name, by=f"{other.name} ({other.id})")

    def _write(self, statement: Executable) -> int:
        """Execute and commit; the number of rows. Raises MachineError ``disk_full``."""
        return self.writing(lambda connection: int(connection.execute(statement).rowcount))

    def _select(self, *conditions: Any) -> list[Run]:
        statement = select(runs_table).where(*conditions).order_by(runs_table.c.created.desc(), runs_table.c.id.desc())
        with self._reader.begin() as connection:
            return [_run(row) for row in connection.execute(statement)]

    def _new_folder(self, now: float) -> tuple[str, Path]:
        while True:
            run_id = new_run_id(now)
            path = self.home / "runs" / run_id
            with suppress(FileExistsError):
                path.mkdir()
                return run_id, path


def new_run_id(now: float) -> str:
    """An id such as ``20261122-154501-k3f9``: when, and four letters that make it the only one."""
    return time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + "".join(secrets.choice(_ID_LETTERS) for _ in "1234")


def valid_run_id(text: str) -> bool:
    """Whether ``text`` may be joined to a path: nothing else that comes from outside may."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def clean_name(name: str) -> str:
    """A name fit to be shown: one line, not empty. Raises InputError ``bad_run_name``."""
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not clean or len(clean) > NAME_LENGTH:
        raise InputError("bad_run_name", name=clean[:40], most=NAME_LENGTH)
    return clean


def versions() -> dict[str, str]:
    """The versions of the training libraries, without importing them."""
    installed_versions = {}
    for package in RECORDED_VERSIONS:
        with suppress(installed.PackageNotFoundError):
            installed_versions[package] = installed.version(package)
    return installed_versions


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    values["state"] = RunState(values["state"])
    values["recipe"] = json.loads(values["recipe"])
    values["error"] = json.loads(values["error"]) if values["error"] else None
    return Run(**values)
