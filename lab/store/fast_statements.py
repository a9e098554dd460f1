"""Statements that are compiled to SQL once and sent straight to SQLite, for the few that run at every key press: building such a
statement anew and executing it through SQLAlchemy takes ten times as long as SQLite itself.

Its parameters are ``bindparam``s by name; values go to SQLite as they are, so it is for columns of text, numbers and NULL only.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Select
from sqlalchemy.dialects import sqlite


class Prepared:
    """``Prepared(select(…).where(column == bindparam("c"))).first(connection, c=…)``, within that connection's transaction."""

    def __init__(self, statement: Executable) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))  # type: ignore[attr-defined]
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        names = [str(column.name) for column in statement.selected_columns] if isinstance(statement, Select) else []
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]

    def run(self, connection: Connection, **values: Any) -> Any:
        """Execute it; sqlite3's cursor."""
        raw: Any = connection.connection.dbapi_connection
        return raw.execute(self._sql, self._constants | values)

    def run_all(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute it once for each row of values."""
        raw: Any = connection.connection.dbapi_connection
        raw.executemany(self._sql, rows)

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row, its columns by name; None where there is none."""
        row = self.run(connection, **values).fetchone()
        return None if row is None else self._row(*row)
