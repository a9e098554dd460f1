"""Checks a home (database and run folders) or a backup (files by their hashes). It only reads and repairs nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InputError
from lab.store.archive import Archive
from lab.store.backup import CLASS_FILE, DATABASE
from lab.store.lines import read_json
from lab.store.migrations import known
from lab.store.run_folder import RunFolder
from lab.store.runs import valid_run_id


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; ``key`` names the sentence (``[verify]`` of the text tables), ``params`` fill it."""

    ok: bool
    what: str
    key: str
    params: dict[str, object]


def verify_home(home: Path) -> list[Finding]:
    """The database, its schema, and the folder of each run. Raises InputError where there is no home."""
    if not (home / DATABASE).is_file():
        raise InputError("backup_no_home", home=home)
    findings, runs = _database(home / DATABASE, current=True)
    wrong = [finding for run, state in runs.items() if (finding := _run(RunFolder(home / "runs" / run), run, state))]
    there = {path.name for path in (home / "runs").glob("*/") if valid_run_id(path.name)}
    wrong += [_bad(f"run {run}", "run_without_row") for run in sorted(there - runs.keys())]
    whole = [] if wrong else [Finding(True, "runs", "runs_whole", {"count": len(runs)})]
    return [*findings, *wrong, *whole, *_class(home / CLASS_FILE)]


def verify_backup(path: Path) -> list[Finding]:
    """Each file by its size and SHA-256, then the database and the choices of a class in it. Raises InputError where it is no backup."""
    with closing(Archive(path)) as archive, tempfile.TemporaryDirectory() as aside:
        wrong = []
        for entry in archive.entries:
            target = Path(aside) / entry.path if entry.path in (DATABASE, CLASS_FILE) else None
            if not archive.copy(entry, target):
                wrong.append(_bad(entry.path, "file_changed"))
        whole = [] if wrong else [Finding(True, "files", "files_whole", {"count": len(archive.entries)})]
        database = Path(aside) / DATABASE
        findings, _runs = (
            _database(database, current=False) if database.exists() else ([_bad(DATABASE, "file_changed")], {})
        )
        return [*wrong, *whole, *findings, *_class(Path(aside) / CLASS_FILE)]


def _database(path: Path, *, current: bool) -> tuple[list[Finding], dict[str, str]]:
    """What SQLite says of the file and of its schema, and the state of each run in it. ``current``: an older schema is no good."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            messages = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            schema = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            runs = dict(connection.execute("SELECT id, state FROM runs ORDER BY id"))
    except (sqlite3.Error, TypeError) as error:
        return [_bad("database", "database_broken", why=str(error))], {}
    if messages != ["ok"] or orphans:
        return [
            _bad("database", "database_broken", why="; ".join(messages) if messages != ["ok"] else str(orphans[0]))
        ], runs
    newest = known()[-1]
    key = "schema_current" if schema == newest else "schema_older" if schema in known() else "schema_unknown"
    fine = key == "schema_current" or (key == "schema_older" and not current)
    whole = Finding(True, "database", "database_whole", {})
    return [whole, Finding(fine, "schema", key, {"found": schema, "known": newest})], runs


def _run(folder: RunFolder, run: str, state: str) -> Finding | None:
    """What is wrong with a run's folder, or None."""
    if not folder.path.is_dir():
        return _bad(f"run {run}", "run_without_folder")
    recipe = folder.recipe()
    if not isinstance(recipe, dict) or not isinstance(recipe.get("recipe"), dict):
        return _bad(f"run {run}", "run_without_recipe")
    if state == "finished" and not isinstance(folder.result(), dict):
        return _bad(f"run {run}", "run_without_result")
    try:
        folder.metrics()
        folder.groups_index()
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _bad(f"run {run}", "run_unreadable", why=f"{type(error).__name__}: {error}")
    return None


def _class(path: Path) -> list[Finding]:
    """Whether what the owner of a class has chosen can be read; nothing where there was no class."""
    if not path.exists():
        return []
    fine = isinstance(read_json(path), dict)
    return [Finding(True, "class", "class_whole", {}) if fine else _bad("class", "class_unreadable")]


def _bad(what: str, key: str, **params: object) -> Finding:
    return Finding(False, what, key, params)
