"""The schema of ``lab.db``: Alembic migrations, one file each in ``versions/``, applied when the database is opened.

A new one: ``versions/0003_what_it_brings.py`` with ``revision = "0003"`` and ``down_revision = "0002"``, beside the same columns as
a ``Table`` on ``database.metadata``; ``tests/store/test_migrations.py`` holds the two equal (import the module there). There is no way
down: a backup is. An empty database is made by the same files as an old one is changed by, so there is one way to a schema.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, select, table
from sqlalchemy import column as named

from lab.errors import StartError

FOLDER = Path(__file__).parent
REVISION = table("alembic_version", named("version_num"))
BEFORE = table("schema_version", named("version"))
"""Where schema 1 noted its number. Since 0002 it says 2 for ever, so that a lab of schema 1 refuses the file."""


@cache
def known() -> tuple[str, ...]:
    """The revisions that this lab knows, the oldest first."""
    return tuple(path.name[:4] for path in sorted((FOLDER / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")))


def migrate(connection: Connection, path: Path) -> None:
    """Bring the database to the newest schema, within the transaction that ``connection`` is in.

    That transaction has the write lock: of two processes that open an old file at once, the second finds it done. Raises
    StartError ``database_too_new`` where a later lab has made it, and then nothing is changed.
    """
    version = revision(connection)
    if version == known()[-1]:
        return
    before = not inspect(connection).has_table(REVISION.name)  # schema 1, or nothing at all
    if version is not None and (version not in known() or (before and version != known()[0])):
        raise StartError("database_too_new", path=path, found=version.lstrip("0") or version, known=int(known()[-1]))
    _alembic(connection, stamp=version if before else None)


def revision(connection: Connection) -> str | None:
    """The schema that the database has, as four digits; None where it is empty."""
    names = inspect(connection).get_table_names()
    if REVISION.name in names:
        return connection.execute(select(REVISION.c.version_num)).scalar()
    number = connection.execute(select(BEFORE.c.version)).scalar() if BEFORE.name in names else None
    return None if number is None else f"{number:04}"


def _alembic(connection: Connection, stamp: str | None) -> None:
    from alembic import command  # half a second, which a database that is up to date does not cost
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if stamp is not None:
        command.stamp(config, stamp)
    command.upgrade(config, "head")
