"""Opens ``lab.db``: how SQLite is made safe, the refusal of file systems on which it is not, and the table of runs.

Not here: what the rows mean (``runs.py``, ``annotation.py``). The schema is made, and later changed, by ``migrations/``.
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

from lab.errors import MachineError
from lab.store.migrations import migrate

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
    for ``engine.execution_options(read_only=True)`` and takes none.
    """
    if not allow_unsafe_disk:
        refuse_unsafe_disk(home)
    engine = create_engine(f"sqlite:///{home / 'lab.db'}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            migrate(connection, home / "lab.db")
    except BaseException:
        engine.dispose()
        raise
    return engine


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
