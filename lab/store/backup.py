"""Backs up a home and restores it: the database as of one moment, its runs, the frozen versions, the home's own
studies, the choices of a class and the password file.

Runs and judgements may go on meanwhile. What is large (``models/``, ``data/``) is listed, and copied only on request; most of it can be fetched again,
uploads cannot.
Not in a backup: the key that signs cookies (everybody signs in again), jobs, caches. ``archive.py`` has the form on disk.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import __version__
from lab.errors import InputError, MachineError, StateError
from lab.store.archive import Archive, Writer, writing
from lab.store.lines import read_json, write_json
from lab.store.runs import RunState, Store
from lab.store.uploads import PREFIX
from lab.store.users import USERS_FILE

DATABASE = "lab.db"
FETCHED = ("models", "data")
UPLOADED = f"data/{PREFIX}"
CLASS_FILE = "class.json"
"""What the owner of a class has chosen (``lab/classroom/state.py``); what its guests did stands in the database."""
STUDIES_FOLDER = "studies"


@dataclass(frozen=True)
class Copied:
    """What a backup, or a restore, came to."""

    path: Path
    runs: int
    files: int
    bytes: int
    listed: tuple[str, ...]
    """Models and data that are named in it and not copied."""

    @property
    def uploads(self) -> list[str]:
        """Those of ``listed`` that people uploaded or kept in Play: nobody can fetch them again."""
        return [name for name in self.listed if name.startswith(UPLOADED)]


def backup(home: Path, target: Path, *, fetched: bool = False) -> Copied:
    """Write a backup of ``home`` to ``target``, a name with .tar or a folder. Raises InputError, and MachineError where it cannot."""
    if not (home / DATABASE).is_file():
        raise InputError("backup_no_home", home=home)
    with writing(target) as out, tempfile.TemporaryDirectory() as aside:
        database = Path(aside) / DATABASE
        runs = _snapshot(home / DATABASE, database)
        _add(out, DATABASE, database)
        # Only the runs of that moment: a folder of a later one would have no row.
        for folder in [
            *(home / "runs" / run for run in runs),
            home / "exports",
            home / "recordings",
            home / STUDIES_FOLDER,
        ]:
            _add_folder(out, home, folder)
        _add(out, USERS_FILE, home / USERS_FILE)
        _add(out, CLASS_FILE, home / CLASS_FILE)
        there = [path.relative_to(home).as_posix() for name in FETCHED for path in sorted((home / name).glob("*/"))]
        for name in there if fetched else ():
            _add_folder(out, home, home / name)
        listed = () if fetched else tuple(there)
        out.finish(made=time.time(), lab=__version__, home=str(home.absolute()), runs=len(runs), listed=listed)
        return Copied(target, len(runs), len(out.entries), sum(entry.size for entry in out.entries), listed)


def restore(source: Path, home: Path) -> Copied:
    """Make ``home`` of a backup. Raises StateError where it is not empty, InputError where the backup is not what was written.

    A run that was going on is *lost*, and can be resumed: its worker belongs to another home.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise StateError("restore_home_not_empty", home=home)
    part = home.absolute().with_name(f".{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with closing(Archive(source)) as archive:
            for entry in archive.entries:
                path = part / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                if not archive.copy(entry, path):
                    raise InputError("backup_changed", path=source, file=entry.path)
            _settle(part, Path(str(archive.manifest["home"])), home.absolute())
            if home.exists():
                home.rmdir()
            part.rename(home)
            entries, about = archive.entries, archive.manifest
    except OSError as error:
        raise MachineError("home_not_writable", home=home, reason=error.strerror or error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(entry.size for entry in entries)
    return Copied(home, int(about["runs"]), len(entries), size, tuple(about["listed"]))


def _snapshot(live: Path, copy: Path) -> list[str]:
    """Copy a database that others may be writing, as of one moment; the ids of its runs."""
    with closing(sqlite3.connect(live)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        return [row[0] for row in target.execute("SELECT id FROM runs ORDER BY id")]


def _add(out: Writer, name: str, path: Path) -> None:
    """A file as far as it reaches now; one that has gone meanwhile (an old checkpoint's) is left out."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        out.add(name, file, os.fstat(file.fileno()).st_size)


def _add_folder(out: Writer, home: Path, folder: Path) -> None:
    for path in sorted(_files(folder), key=lambda path: (path.parent, path.name == "complete", path.name)):
        # `complete` comes last, and goes first when a checkpoint is deleted: with it, the others are all there.
        _add(out, path.relative_to(home).as_posix(), path)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _settle(part: Path, before: Path, home: Path) -> None:
    """Make a copied home one of its own: no worker of the other one, adapters on bases in this one, the password file private."""
    with suppress(FileNotFoundError):
        (part / USERS_FILE).chmod(0o600)
    store = Store(part)
    try:
        for run in store.in_state(RunState.RUNNING):
            lost = StateError("worker_lost", step=store.folder(run.id).last_step())
            gone: dict[str, Any] = {"pid": None, "pid_started": None, "boot_id": None}
            store.change(run.id, state=RunState.LOST, ended=time.time(), error=lost, **gone)
    finally:
        store.close()
    for config in (part / "runs").rglob("adapter_config.json"):
        adapter = read_json(config)
        base = Path(str((adapter or {}).get("base_model_name_or_path") or ""))
        if base.is_relative_to(before):
            write_json(config, {**adapter, "base_model_name_or_path": str(home / base.relative_to(before))})
