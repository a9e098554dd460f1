"""Who is in the class: every guest with the name that tells them apart, when they were last seen, and where.

Names and their numbers are rows of the database; what is seen of people is only kept in memory. Two people of one name are "Li Ming" and
"Li Ming 2", in the order in which they came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from lab.classroom.tables import people_table
from lab.core.access import User
from lab.core.names import likeness
from lab.store.runs import Store

AWAY_SECONDS = 90.0
"""Whoever was not heard of for this long is away: an open page says every 20 seconds where it is."""

_p = people_table.c


@dataclass(frozen=True)
class Person:
    """A guest of the class."""

    id: str
    label: str
    """The name, with a number from the second one of a name on."""
    joined: float
    seen: float
    """Seconds since 1970."""
    place: str
    """Where they are: a tab's name, ``judge`` or empty."""
    step: int | None
    """Of the tab Learn."""

    @property
    def away(self) -> bool:
        """Whether they were not heard of for a while."""
        return time.time() - self.seen > AWAY_SECONDS


@dataclass
class _Seen:
    at: float
    place: str = ""
    step: int | None = None


class People:
    """The guests of one home. Thread-safe; one for the life of the app."""

    def __init__(self, store: Store, changed: Callable[[], None] = lambda: None) -> None:
        self._store, self._changed = store, changed
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        with store.reading() as connection:
            rows = connection.execute(select(people_table).order_by(_p.joined, _p.id)).all()
        self._rows = {row.id: (row.name, row.number, row.joined) for row in rows}

    def note(self, user: User, place: str = "", step: int | None = None) -> None:
        """Somebody was heard of. It writes only for whoever is new, and waits for nothing."""
        now = time.time()
        with self._lock:
            new = user.id not in self._rows
            if new:
                number = 1 + sum(likeness(name) == likeness(user.name) for name, *_ in self._rows.values())
                self._rows[user.id] = (user.name, number, now)
            seen = self._seen.setdefault(user.id, _Seen(now))
            moved = bool(place) and (seen.place, seen.step) != (place, step)
            came_back = now - seen.at > AWAY_SECONDS
            seen.at = now
            if place:
                seen.place, seen.step = place, step
        if new:
            row = dict(zip(("name", "number", "joined"), self._rows[user.id], strict=True))
            self._store.writer.submit(lambda connection: _add(connection, {"id": user.id, **row}))
        if new or moved or came_back:
            self._changed()

    def all(self) -> list[Person]:
        """Everybody who came, in the order of their names."""
        with self._lock:
            rows, seen = dict(self._rows), dict(self._seen)
        people = [
            Person(person, _label(name, number), joined, *_of(seen.get(person), joined))
            for person, (name, number, joined) in rows.items()
        ]
        return sorted(people, key=lambda one: (one.label.casefold(), one.joined))

    def label(self, person: str) -> str:
        """The name of somebody as the class sees it; empty for a stranger."""
        row = self._rows.get(person)
        return _label(row[0], row[1]) if row else ""

    def forget(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._rows, self._seen = {}, {}
        self._store.writing(lambda connection: connection.execute(delete(people_table)))
        self._changed()


def _of(seen: _Seen | None, joined: float) -> tuple[float, str, int | None]:
    return (seen.at, seen.place, seen.step) if seen else (joined, "", None)


def _label(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


def _add(connection: Connection, row: dict[str, object]) -> None:
    known = connection.execute(select(_p.id).where(_p.id == row["id"])).first()
    if known is None:
        connection.execute(insert(people_table).values(**row))
