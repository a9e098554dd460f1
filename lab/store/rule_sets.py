"""The rule sets that were saved: each a name, and versions of it that never change. A run does not need them: its recipe holds its rules.

Not here: what a rule set is (``lab.core.rule_sets``), its file (``rule_files.py``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, ForeignKey, Integer, Row, Table, Text, delete, func, insert, select

from lab.core.rule_sets import RuleEntry, RuleSet
from lab.errors import InputError, StateError
from lab.sandbox.rewards import check_uses
from lab.store.database import metadata
from lab.store.rule_files import as_rule_set
from lab.store.runs import Store

NAME_LENGTH = 80

sets_table = Table(
    "rule_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)
versions_table = Table(
    "rule_set_versions",
    metadata,
    Column("rule_set", Integer, ForeignKey("rule_sets.id"), primary_key=True),
    Column("version", Integer, primary_key=True),  # counts from 1
    Column("content", Text, nullable=False),  # JSON of a RuleSet
    Column("author", Text, nullable=False),  # a user's id, or empty
    Column("saved", Float, nullable=False),  # seconds since 1970
)


@dataclass(frozen=True)
class RuleSetVersion:
    """One version of a rule set."""

    name: str
    version: int
    entries: tuple[RuleEntry, ...]
    author: str
    saved: float

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules in it."""
        return tuple(rule.name for rule in self.entries)


class RuleSets:
    """The rule sets of a store. Safe for many threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, name: str, entries: Sequence[RuleEntry], author: str = "") -> RuleSetVersion:
        """The new version; or the newest one where it says the same already.

        Raises RuleError for the first rule that cannot be used, InputError for the name.
        """
        self._store.require_space()
        title = clean_name(name)
        rule_set = as_rule_set({"rules": [entry.model_dump(mode="json") for entry in entries]}, title)
        if wrong := check_uses(rule_set.rules):
            raise wrong[0]
        content = rule_set.model_dump_json()

        def work(connection: Connection) -> Row[tuple[str, int, str, str, float]]:
            newest = _newest(connection, title)
            if newest is None or newest.content != content:
                number = (
                    _id_of(connection, title)
                    or connection.execute(insert(sets_table).values(name=title).returning(sets_table.c.id)).scalar_one()
                )
                values = {"version": newest.version + 1 if newest else 1, "content": content, "author": author}
                connection.execute(insert(versions_table).values(rule_set=number, saved=time.time(), **values))
                newest = _newest(connection, title)
            assert newest is not None
            return newest

        return _version(self._store.writing(work))

    def list(self) -> list[RuleSetVersion]:
        """Every rule set in its newest version, by name."""
        with self._store.reading() as connection:
            names = connection.execute(select(sets_table.c.name).order_by(func.lower(sets_table.c.name))).scalars()
            return [_version(row) for name in names.all() if (row := _newest(connection, name)) is not None]

    def versions(self, name: str) -> Sequence[RuleSetVersion]:
        """All versions of a rule set, the newest first. Raises StateError ``no_such_rule_set``."""
        with self._store.reading() as connection:
            rows = connection.execute(_of(name).order_by(versions_table.c.version.desc())).all()
        if not rows:
            raise StateError("no_such_rule_set", name=name[:NAME_LENGTH])
        return [_version(row) for row in rows]

    def load(self, name: str, version: int | None = None) -> RuleSetVersion:
        """One version, the newest where none is named. Raises StateError ``no_such_rule_set``."""
        with self._store.reading() as connection:
            if version is None:
                row = _newest(connection, name)
            else:
                row = connection.execute(_of(name).where(versions_table.c.version == version)).one_or_none()
        if row is None:
            raise StateError("no_such_rule_set", name=name[:NAME_LENGTH])
        return _version(row)

    def delete(self, name: str) -> None:
        """Delete a rule set with all its versions; runs that used it keep their rules. Raises StateError ``no_such_rule_set``."""

        def work(connection: Connection) -> None:
            number = _id_of(connection, name)
            if number is None:
                raise StateError("no_such_rule_set", name=name[:NAME_LENGTH])
            connection.execute(delete(versions_table).where(versions_table.c.rule_set == number))
            connection.execute(delete(sets_table).where(sets_table.c.id == number))

        self._store.writing(work)


def clean_name(name: str) -> str:
    """The name of a rule set as it is stored. Raises InputError ``rule_set_name``."""
    title = " ".join(name.split())
    if not title or len(title) > NAME_LENGTH or not title.isprintable():
        raise InputError("rule_set_name", value=name[:NAME_LENGTH], most=NAME_LENGTH)
    return title


def _of(name: str):  # type: ignore[no-untyped-def]  # a Select, whose type says nothing to a reader
    joined = sets_table.join(versions_table, versions_table.c.rule_set == sets_table.c.id)
    columns = (sets_table.c.name, *[versions_table.c[each] for each in ("version", "content", "author", "saved")])
    return select(*columns).select_from(joined).where(sets_table.c.name == name)


def _newest(connection: Connection, name: str) -> Row[tuple[str, int, str, str, float]] | None:
    return connection.execute(_of(name).order_by(versions_table.c.version.desc()).limit(1)).one_or_none()


def _id_of(connection: Connection, name: str) -> int | None:
    return connection.execute(select(sets_table.c.id).where(sets_table.c.name == name)).scalar()


def _version(row: Row[tuple[str, int, str, str, float]]) -> RuleSetVersion:
    entries = RuleSet.model_validate_json(row.content).rules
    return RuleSetVersion(row.name, row.version, entries, row.author, row.saved)
