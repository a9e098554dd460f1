"""A statement that is turned into SQL once, for the few that run at every key press: building one anew costs more than running it.

Its parameters are ``bindparam``s by name; values go to SQLite as they are, so it is for columns of text, numbers and NULL only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.dialects import sqlite


class Prepared:
    """``Prepared(select(…).where(column == bindparam("c")))(connection, c=…)``."""

    def __init__(self, statement: Executable) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))  # type: ignore[attr-defined]
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def __call__(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        return connection.exec_driver_sql(self._sql, self._constants | values)
