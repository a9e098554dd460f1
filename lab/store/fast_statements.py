"""A statement that is turned into SQL once and goes straight to SQLite, for the few that run at every key press: building one anew
and passing it through all of SQLAlchemy costs ten times what SQLite needs for it.

Its parameters are ``bindparam``s by name; values go to SQLite as they are, so it is for columns of text, numbers and NULL only.
"""

from __future__ import annotations

from collections import namedtuple
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

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row, its columns by name; None where there is none."""
        found = self.run(connection, **values).fetchone()
        return None if found is None else self._row(*found)
