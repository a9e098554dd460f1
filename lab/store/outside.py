"""The lab's work as files that are never changed: written so that they can be kept elsewhere, and taken in again from them alone.

One *parcel* holds the rows that came since the parcel before (gzipped JSON lines, ``{"table", "row"}``), and small tables whole, so that what
was deleted is known. One *record* is an ended run: a .tar of its folder and its row, without checkpoints, and with its model only where
that is small. Rows that come twice count once. A *life* is one disk of a lab; its parcels are numbered, and the lives come in the
order of their beginning.

Not here: where the files are kept (``lab/runs/hub_backup.py``). Backups that a person makes are ``backup.py``'s.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import secrets
import sqlite3
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from lab.errors import InputError
from lab.store.backup import CLASS_FILE, STUDIES_FOLDER
from lab.store.lines import read_json, write_json
from lab.store.runs import Store, new_run_id, valid_run_id

STATE = "outside.json"
OF_CLASS = ("class_people", "class_rule_sets", "class_runs", "class_votes")
WHOLE = ("collections", "annotators", "preference_versions", "rule_sets", "rule_set_versions", *OF_CLASS)
"""Small tables that are sent whole whenever one of their rows has changed."""
ADDED = {
    "pairs": ("collection", "id"),
    "showings": ("id",),
    "judgements": ("id",),
    "version_rows": ("version", "number"),
}
"""Tables whose rows are only added, and sent once, with what names a row; followed by SQLite's row number."""
ORDER = (
    "collections",
    "pairs",
    "annotators",
    "showings",
    "judgements",
    "preference_versions",
    "version_rows",
    "rule_sets",
    "rule_set_versions",
    *OF_CLASS,
)
FILES = "files"
"""Under this name, in a table's place, small files of the home: what the owner of a class has chosen, and the home's own studies."""
FILE_NAME = re.compile(rf"{re.escape(CLASS_FILE)}|{STUDIES_FOLDER}/[\w-]{{1,80}}\.json")
MOST_FILE_BYTES = 1 << 20
ENDED = ("finished", "stopped", "failed", "lost")
LEFT_OUT = ("checkpoints", "model")
MOST_MODEL_BYTES = 64 << 20
MOST_UNPACKED_BYTES = 4 << 30
NAME = re.compile(
    r"(rows/(?P<life>\d{8}-\d{6}-[a-z0-9]{4})/\d{6}-[a-z0-9]{8}\.jsonl\.gz)|(runs/(?P<run>\d{8}-\d{6}-[a-z0-9]{4})-[a-z0-9]{8}\.tar)"
)
"""The names of files that are taken in; no others are looked at."""
STAMPED, STAMP = "%Y%m%d-%H%M%S", 15
"""How a life's name says when it began, and how long that part is."""


@dataclass(frozen=True)
class Progress:
    """What has been sent of this life."""

    life: str
    parcels: int = 0
    """The number of the last parcel that was tried: one that arrived unknown to us is never followed by another of its number."""
    rows: dict[str, int] = field(default_factory=dict)
    """The highest row number sent, by table."""
    marks: dict[str, str] = field(default_factory=dict)
    """What the whole tables were when they were sent."""
    runs: dict[str, float] = field(default_factory=dict)
    """The runs whose records were sent, and when they had ended."""
    last: float | None = None


@dataclass(frozen=True)
class Sending:
    """Files to send, and what has been sent once they are."""

    files: dict[str, Path]
    then: Progress


def progress(store: Store) -> Progress:
    """What was sent before, of this disk; a new life where nothing was."""
    stored = read_json(store.home / STATE)
    try:
        return Progress(**stored)
    except TypeError:
        return Progress(life=new_run_id(time.time()))


def note(store: Store, sent: Progress) -> None:
    """Remember what was sent."""
    write_json(store.home / STATE, asdict(sent))


def waiting(store: Store, sent: Progress) -> int:
    """Judgements that are saved here and not yet sent."""
    count, last = "SELECT count(*) FROM judgements WHERE rowid > ?", sent.rows.get("judgements", 0)
    with closing(_reading(store)) as connection:
        return int(connection.execute(count, (last,)).fetchone()[0])


def gather(store: Store, sent: Progress, folder: Path) -> Sending | None:
    """Write what is new into files of ``folder``; None where nothing is."""
    files: dict[str, Path] = {}
    rows, marks = dict(sent.rows), dict(sent.marks)
    parcel = folder / "parcel.jsonl.gz"
    with closing(_reading(store)) as connection, gzip.open(parcel, "wt", encoding="utf-8") as out:
        connection.execute("BEGIN")  # all tables as of one moment
        count = sum(_add_new(connection, table, rows, marks, out) for table in ADDED)
        for table in WHOLE:
            whole = _rows(connection, f"SELECT * FROM {table} ORDER BY 1, 2")
            count += _put_whole(table, [json.dumps(row, sort_keys=True) for row in whole], marks, out)
        count += _add_files(store.home, marks, out)
        ended = dict(connection.execute(f"SELECT id, coalesce(ended, 0) FROM runs WHERE state IN {ENDED}"))
    number = sent.parcels + bool(count)
    if count:
        files[f"rows/{sent.life}/{number:06d}-{secrets.token_hex(4)}.jsonl.gz"] = parcel
    runs = dict(sent.runs)
    for run, when in ended.items():
        if runs.get(run) != when and (store.home / "runs" / run).is_dir():
            files[f"runs/{run}-{secrets.token_hex(4)}.tar"] = _record(store, run, folder / f"{run}.tar")
            runs[run] = when
    if not files:
        return None
    return Sending(files, replace(sent, parcels=number, rows=rows, marks=marks, runs=runs, last=time.time()))


def after_taking_in(everything: Progress, names: Iterable[str]) -> Progress:
    """What was sent, as far as this disk goes, once the files of ``names`` were taken in: nothing of them goes out again, and nothing
    was sent by this life. It comes after theirs, even if it began in the same second or by a clock that is slow."""
    lives = [match["life"] for match in map(NAME.fullmatch, names) if match is not None and match["life"]]
    newest, life = max(lives, default=""), everything.life
    if life <= newest:
        after = datetime.strptime(newest[:STAMP], STAMPED) + timedelta(seconds=1)
        life = after.strftime(STAMPED) + life[STAMP:]
    return replace(everything, life=life, parcels=0)


def is_new(store: Store) -> bool:
    """Whether the home holds no work yet, and so may be made of what was sent from another disk."""
    with closing(_reading(store)) as connection:
        return not any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()
            for table in ("runs", "collections", "rule_sets")
        )


def take_in(store: Store, files: Iterable[tuple[str, Path]]) -> tuple[int, int]:
    """Make a new home of files that were sent, given in any order; the numbers of judgements and of runs that it then has.

    Raises InputError ``outside_broken`` for a file that is not what was sent, and then stores nothing of the rows.
    """
    named = sorted((name, path) for name, path in files if NAME.fullmatch(name))
    parcels = [(name, path) for name, path in named if name.startswith("rows/")]
    of_runs = sorted((_ended(path), name, path) for name, path in named if name.startswith("runs/"))
    records = {NAME.fullmatch(name)["run"]: (name, path) for _, name, path in of_runs}  # type: ignore[index]  # the last of each
    with closing(sqlite3.connect(store.home / "lab.db", timeout=30, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        texts: dict[str, str] = {}
        try:
            for name, path in parcels:
                _put_parcel(connection, name, path, texts)
            _drop_orphans(connection)
            for run, (name, path) in records.items():
                _put_record(connection, store, run, name, path)
            connection.execute(
                "DELETE FROM class_runs WHERE run NOT IN (SELECT id FROM runs)"
            )  # those that had not ended
            if wrong := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise InputError("outside_broken", file="rows", why=str(wrong))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        _put_files(store.home, texts)
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("judgements", "runs")]
    return int(counts[0]), int(counts[1])


# ---- writing


def _reading(store: Store) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{(store.home / 'lab.db').as_uri()}?mode=ro", uri=True, timeout=30, isolation_level=None
    )
    connection.row_factory = None
    return connection


def _rows(connection: sqlite3.Connection, statement: str, *values: object) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(statement, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _add_new(connection: sqlite3.Connection, table: str, rows: dict[str, int], marks: dict[str, str], out: Any) -> int:
    """The rows of a growing table beyond the last one that was sent; how many.

    Row numbers are used again once the last rows were deleted: where the last one sent is not the same any more, all go once more.
    """
    statement = f"SELECT rowid AS _row, * FROM {table} WHERE rowid "
    last = next(_rows(connection, statement + "= ?", rows.get(table, 0)), None)
    if last is None or _name(table, last) != marks.get(table):
        rows[table] = 0
    count = 0
    for row in _rows(connection, statement + "> ? ORDER BY rowid", rows[table]):
        rows[table], marks[table] = row.pop("_row"), _name(table, row)
        out.write(json.dumps({"table": table, "row": row}) + "\n")
        count += 1
    return count


def _name(table: str, row: dict[str, Any]) -> str:
    return " ".join(str(row[column]) for column in ADDED[table])


def _add_files(home: Path, marks: dict[str, str], out: Any) -> int:
    """The small files of the home, all of them, where one has changed; how many lines."""
    paths = [home / CLASS_FILE, *sorted((home / STUDIES_FOLDER).glob("*.json"))]
    texts = {path.relative_to(home).as_posix(): path.read_text("utf-8") for path in paths if path.is_file()}
    lines = [json.dumps({"name": name, "text": text}) for name, text in texts.items() if FILE_NAME.fullmatch(name)]
    return _put_whole(FILES, lines, marks, out)


def _put_whole(name: str, rows: list[str], marks: dict[str, str], out: Any) -> int:
    """All rows, as JSON, where they are not those that were sent last; how many lines."""
    mark = f"{len(rows)}-{hash_of(rows)}"
    if marks.get(name, "0-" + hash_of([])) == mark:
        return 0
    marks[name] = mark
    out.write(json.dumps({"table": name, "whole": True}) + "\n")
    out.writelines(f'{{"table": "{name}", "row": {row}}}\n' for row in rows)
    return len(rows) + 1


def hash_of(lines: Iterable[str]) -> str:
    """A short mark of some lines."""
    return sha256(b"".join(line.encode() + b"\n" for line in lines)).hexdigest()[:16]


def _record(store: Store, run: str, target: Path) -> Path:
    folder = store.home / "runs" / run
    model = [path for path in (folder / "model").rglob("*") if path.is_file() and not path.is_symlink()]
    with_model = sum(path.stat().st_size for path in model) <= MOST_MODEL_BYTES
    with closing(_reading(store)) as connection, tarfile.open(target, "w:", format=tarfile.PAX_FORMAT) as tar:
        row = next(_rows(connection, "SELECT * FROM runs WHERE id = ?", run))
        about = json.dumps(row | {"pid": None, "pid_started": None, "boot_id": None}).encode()
        member = tarfile.TarInfo("row.json")
        member.size = len(about)
        tar.addfile(member, io.BytesIO(about))
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if (
                path.is_file()
                and not path.is_symlink()
                and (name.parts[0] not in LEFT_OUT or (with_model and name.parts[0] == "model"))
            ):
                tar.add(path, f"folder/{name.as_posix()}", recursive=False)
    return target


# ---- taking in


def _put_parcel(connection: sqlite3.Connection, name: str, path: Path, texts: dict[str, str]) -> None:
    """Put the rows of a parcel into the database, and its small files into ``texts``, by name."""
    columns = {table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] for table in ORDER}
    size = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                size += len(line)
                if size > MOST_UNPACKED_BYTES:
                    raise ValueError("it unpacks to too much")
                said = json.loads(line)
                table = said["table"]
                if table == FILES:
                    _note_file(said, texts)
                    continue
                if table not in columns:
                    continue  # a later lab's
                if said.get("whole"):
                    connection.execute(f"DELETE FROM {table}")
                else:
                    _put_row(connection, table, {key: said["row"][key] for key in columns[table] if key in said["row"]})
    except (OSError, EOFError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise InputError("outside_broken", file=name, why=str(error)[:200]) from error


def _note_file(said: dict[str, Any], texts: dict[str, str]) -> None:
    if said.get("whole"):
        texts.clear()
        return
    name, text = str(said["row"]["name"]), str(said["row"]["text"])
    if not FILE_NAME.fullmatch(name) or len(text) > MOST_FILE_BYTES:
        raise ValueError(f"{name[:80]!r} is no file that is kept")
    texts[name] = text


def _put_files(home: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


def _put_row(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    if table == "judgements":
        there = connection.execute("SELECT id FROM judgements WHERE number = ?", (row["number"],)).fetchone()
        if there is not None and there[0] != row["id"]:  # two disks of the lab were at work at the same time
            del row["number"]
    marks = ", ".join("?" for _ in row)
    names = ", ".join(f'"{key}"' for key in row)
    kind = "IGNORE" if table in ("judgements", "showings") else "REPLACE"
    connection.execute(f"INSERT OR {kind} INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def _drop_orphans(connection: sqlite3.Connection) -> None:
    """Rows of collections and versions that were deleted; then what follows from the events."""
    for table in ("pairs", "showings", "judgements", "annotators", "preference_versions"):
        connection.execute(f"DELETE FROM {table} WHERE collection NOT IN (SELECT id FROM collections)")
    connection.execute("DELETE FROM version_rows WHERE version NOT IN (SELECT id FROM preference_versions)")


def _ended(path: Path) -> float:
    """When the run of a record had ended (one that is resumed ends more than once); 0 where the record does not say it."""
    try:
        with tarfile.open(path, "r:") as tar:
            return float(_row_of(tar)["ended"])
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError):
        return 0.0


def _row_of(tar: tarfile.TarFile) -> dict[str, Any]:
    content = tar.extractfile("row.json")
    row: dict[str, Any] = json.loads(content.read(1 << 24)) if content is not None else {}
    return row


def _put_record(connection: sqlite3.Connection, store: Store, run: str, name: str, path: Path) -> None:
    folder = store.home / "runs" / run
    try:
        with tarfile.open(path, "r:") as tar:
            row = _row_of(tar)
            if row.get("id") != run or not valid_run_id(run):
                raise ValueError("it is another run's")
            for member in tar:
                if member.name != "row.json":
                    _unpack(tar, member, folder)
        columns = [column[1] for column in connection.execute("PRAGMA table_info(runs)")]
        _put_row(connection, "runs", {key: row[key] for key in columns if key in row})
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise InputError("outside_broken", file=name, why=str(error)[:200]) from error


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    parts = PurePosixPath(member.name).parts
    if not member.isfile() or parts[0] != "folder" or ".." in parts or len(parts) < 2 or not member.name.isprintable():
        raise ValueError(f"{member.name!r} is no file of a run")
    target = folder.joinpath(*parts[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None
    with target.open("wb") as out:
        while block := content.read(1 << 20):
            out.write(block)
