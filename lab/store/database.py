"""Opens ``lab.db``: makes SQLite safe, refuses unsafe file systems and damaged files, and defines the table of runs.

Not here: what the rows mean (``runs.py``, ``lab/annotation``). ``migrations/`` makes the schema, and changes it later.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import DatabaseError

from lab.errors import LabError, MachineError, StartError
from lab.store.migrations import migrate, revision

BUSY_SECONDS = 15.0

# Locks and shared memory are not to be relied on there. `virtiofs` is left out on purpose: within one machine it keeps
# both promises, and some containers have nothing else.
UNSAFE_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "v9fs", "drvfs", "afs", "afpfs", "ceph"}
    | {"glusterfs", "lustre", "beegfs", "gpfs", "ncpfs", "webdav", "davfs", "sshfs", "osxfuse", "macfuse", "grpcfuse"}
)

metadata = MetaData()

runs_table = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("algorithm", String(32), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("recipe", Text, nullable=False),  # JSON; the folder's recipe.json holds the same and more
    Column("parent", String(32)),
    Column("created", Float, nullable=False),
    Column("queued", Float),  # its place in the queue; set anew by a resume
    Column("started", Float),
    Column("ended", Float),
    Column("pid", Integer),
    Column("pid_started", Float),
    Column("boot_id", String(64)),
    Column("error", Text),  # JSON {"key", "params"}
)


def open_database(home: Path, *, allow_unsafe_disk: bool = False) -> Engine:
    """The engine of ``home/lab.db``, made where it is missing and brought to the newest schema where it is older.

    Every transaction takes the write lock at its start (BEGIN IMMEDIATE), so that none fails half way; a reader asks
    for ``engine.execution_options(read_only=True)`` and takes none. Raises StartError where the file is no database, is damaged, or is
    empty beside the folders of runs; MachineError where it stays locked or the disk is full.
    """
    if not allow_unsafe_disk:
        refuse_unsafe_disk(home)
    path = home / "lab.db"
    if path.exists() and not path.is_file():
        raise StartError("database_no_file", path=path)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _refuse_empty_beside_runs(connection, home)
            migrate(connection, path)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise _error_of(error, path) or error from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _refuse_empty_beside_runs(connection: Connection, home: Path) -> None:
    """Raise StartError where the database is new or empty although folders of runs are there: the list of runs was lost."""
    if revision(connection) is None:
        folders = [path for path in (home / "runs").glob("*/recipe.json") if not path.parent.name.startswith(".")]
        if folders:
            raise StartError("database_empty", path=home / "lab.db", runs=len(folders), folder=home / "runs")


def _error_of(error: DatabaseError | sqlite3.DatabaseError, path: Path) -> LabError | None:
    """What SQLite's error means for a person; None where only a programmer can mend it."""
    cause = error.orig if isinstance(error, DatabaseError) else error
    why = str(cause)
    if "locked" in why:
        return MachineError("database_locked", path=path, seconds=int(BUSY_SECONDS))
    if "disk is full" in why:
        return MachineError("disk_full", path=path.parent)
    if "readonly" in why or "unable to open" in why:
        return MachineError("home_not_writable", home=path.parent, reason=f"{path.name}: {why}")
    damaged = type(cause) is sqlite3.DatabaseError or "malformed" in why or "not a database" in why
    return StartError("database_damaged", path=path, why=why) if damaged else None


def refuse_unsafe_disk(home: Path) -> None:
    """Raise MachineError where ``home`` lies on a network or FUSE file system."""
    kind = file_system(home)
    if kind in UNSAFE_FILE_SYSTEMS or kind.startswith("fuse"):
        raise MachineError("unsafe_disk", home=home, file_system=kind)


def file_system(path: Path) -> str:
    """The kind of file system that ``path`` lies on (``ext4``), or an empty text where the system does not say."""
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, NotImplementedError):
        return ""
    for partition in partitions:
        point = partition.mountpoint
        # A later mount on the same point hides the earlier one, hence >=.
        if (real == point or real.startswith(point.rstrip(os.sep) + os.sep)) and len(point) >= len(best):
            best, kind = point, partition.fstype.lower()
    return kind


def _prepare_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves, see _begin
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    # SQLite does not always wait here when two processes make the same new file at once, so we do.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
