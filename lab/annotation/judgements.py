"""Stores judgements as events and, in the same transaction, updates the current judgements, the votes and each person's progress.

Events are only added. A second judgement of a pair by the same person replaces the first, an undo takes the current one back, and
both stay on record. An adjudication is an event of another kind (``adjudication.py``). ``queue.py`` chooses the next pair; ``quality.py``
and ``versions/`` read the events. The functions run in a transaction that holds the write lock (``lab/store/group_commit.py``), and
refuse only before they write.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from lab.annotation.counters import follow, progress
from lab.annotation.tables import (
    collections_table,
    current_table,
    judgements_table,
    pairs_table,
    showings_table,
)
from lab.core.access import User
from lab.core.preferences import Choice, Judgement, Place, choice_at, left_of
from lab.errors import InputError, StateError
from lab.store.fast_statements import Prepared

JUDGEMENT, UNDO, ADJUDICATION = "judgement", "undo", "adjudication"
CLAIM_SECONDS = 600.0
"""A pair that was shown and not judged for this long may be shown to others."""
MOST_OF_A_PAIR = 50
"""Events of one person on one pair: judging and undoing without end would fill the disk."""
LONGER_BY, LONGER_TIMES = 2000, 4
"""An edit may have so many characters more than the longer response, and be so many times as long."""
TAKEN_BACK = UUID("b2f5d0f6-17c1-4c43-9a40-6a3b56a9a7e2")
"""The id of an undo that the owner makes of somebody's judgement follows from the judgement."""
SHOWN_AGAIN = UUID("5b0f2a4e-6a3c-4b57-9a55-1d6d7f0c0a11")
"""The showing that an undo makes has an id that follows from the undo's, so that a retry of it gets the same."""


@dataclass(frozen=True)
class Submission:
    """A judgement as an annotator submits it; ``choice`` is a place, or tie, both_bad, skip."""

    id: UUID
    """The id of the showing."""
    collection: str
    pair: str
    choice: Place | Choice
    strength: int | None = None
    reason: str = ""
    seconds: float | None = None
    edited: str | None = None
    revealed: bool = False
    """Whether the annotator had seen the sources of this pair, and so does not judge it blind."""


def _mine(table: Any) -> Any:
    """The rows of a pair and a person."""
    c = table.c
    return (c.collection == bindparam("c")) & (c.pair == bindparam("p")) & (c.annotator == bindparam("a"))


_s, _c, _p, _j = showings_table.c, collections_table.c, pairs_table.c, current_table.c
_showing = Prepared(
    select(_s.annotator, _s.collection, _s.pair, _c.seed, _c.overlap, _p.first, _p.second)
    .add_columns(_p.first_source, _p.second_source, _p.gold, _p.votes)
    .add_columns(_j.judgement.label("before"), _j.choice.label("choice_before"))
    .join(collections_table, _c.id == _s.collection)
    .join(pairs_table, (_p.collection == _s.collection) & (_p.id == _s.pair))
    .outerjoin(current_table, (_j.collection == _s.collection) & (_j.pair == _s.pair) & (_j.annotator == _s.annotator))
    .where(_s.id == bindparam("showing"))
)
_event = Prepared(select(judgements_table).where(judgements_table.c.id == bindparam("event")))
_count_mine = Prepared(select(func.count()).select_from(judgements_table).where(_mine(judgements_table)))
_add_event = Prepared(
    insert(judgements_table)
    .values({column.name: bindparam(column.name) for column in judgements_table.c if column.name != "number"})
    .on_conflict_do_nothing(index_elements=["id"])
)
_current_row = insert(current_table).values({column.name: bindparam(column.name) for column in _j})
_put_current = Prepared(
    _current_row.on_conflict_do_update(
        index_elements=["collection", "pair", "annotator"],
        set_={"judgement": _current_row.excluded.judgement, "choice": _current_row.excluded.choice},
    )
)
_drop_current = Prepared(delete(current_table).where(_mine(current_table)))
_end_claims = Prepared(update(showings_table).where(_mine(showings_table), _s.expires > 0).values(expires=0.0))


def judge(connection: Connection, annotator: User, submission: Submission) -> dict[str, Any]:
    """Store one judgement; ``{"saved", "id", "progress", "sources"}``. The same id again is answered alike and stored once.

    Raises StateError where the pair was not shown to this person under that id, InputError where the parts do not fit.
    """
    uuid = str(submission.id)
    known = _event.first(connection, event=uuid)
    if known is not None and (known.annotator, known.pair, known.kind) != (annotator.id, submission.pair, JUDGEMENT):
        raise StateError("judgement_id_taken")
    showing = _showing.first(connection, showing=uuid)
    if showing is None or (showing.annotator, showing.collection, showing.pair) != (
        annotator.id,
        submission.collection,
        submission.pair,
    ):
        raise StateError("judgement_not_shown")
    choice = Choice(known.choice) if known else _store(connection, annotator, submission, showing)
    return {
        "saved": True,
        "id": uuid,
        "progress": progress(connection, annotator.id, submission.collection),
        "sources": None if choice is Choice.SKIP else _sources(annotator.id, showing),
    }


def undo(connection: Connection, annotator: User, undo_id: UUID, judgement_id: UUID) -> dict[str, Any]:
    """Take a judgement back; ``{"saved", "id", "progress", "collection", "pair", "shown"}`` with a new showing of the pair.

    Raises StateError: no such judgement of this person, one that was replaced or taken back already.
    """
    uuid, target = str(undo_id), str(judgement_id)
    known = _event.first(connection, event=uuid)
    if known is not None and (known.annotator, known.kind, known.supersedes) != (annotator.id, UNDO, target):
        raise StateError("judgement_id_taken")
    judged = _event.first(connection, event=target)
    if judged is None or (judged.annotator, judged.kind) != (annotator.id, JUDGEMENT):
        raise StateError("no_such_judgement", judgement=target)
    shown = str(uuid5(SHOWN_AGAIN, uuid))
    if known is None:
        showing = _showing.first(connection, showing=target)
        if showing.before != target:
            raise StateError("judgement_not_current")
        _refuse_endless(connection, judged.collection, judged.pair, annotator.id)
        now = time.time()
        event = {"id": uuid, "kind": UNDO, "supersedes": target, "time": now}
        _add_event.run(connection, **_event_row(judged.collection, judged.pair, annotator.id) | event)
        _drop_current.run(connection, c=judged.collection, p=judged.pair, a=annotator.id)
        follow(connection, annotator, showing, Choice(showing.choice_before), None)
        claim = {"id": shown, "collection": judged.collection, "pair": judged.pair, "annotator": annotator.id}
        connection.execute(insert(showings_table), claim | {"time": now, "expires": now + CLAIM_SECONDS})
    return {
        "saved": True,
        "id": uuid,
        "progress": progress(connection, annotator.id, judged.collection),
        "collection": judged.collection,
        "pair": judged.pair,
        "shown": shown,
    }


def current_judgements(connection: Connection, collection_id: str) -> list[Judgement]:
    """The judgements that count, derived from the events; skips are among them."""
    return standing(events(connection, collection_id))


def standing(events: Iterable[Any]) -> list[Judgement]:
    """The judgements that count after these events, oldest first: rows of the table, or objects with the same attributes."""
    current: dict[tuple[str, str], Any] = {}
    for event in events:
        place = (event.pair, event.annotator)
        if event.kind == JUDGEMENT:
            current[place] = event
        elif event.kind == UNDO and place in current and current[place].id == event.supersedes:
            del current[place]
    return [judgement_of(event) for event in current.values()]


def events(connection: Connection, collection_id: str, through: int | None = None) -> Iterable[Row[Any]]:
    """Every event of a collection, the oldest first."""
    statement = select(judgements_table).where(judgements_table.c.collection == collection_id)
    if through is not None:
        statement = statement.where(judgements_table.c.number <= through)
    return connection.execute(statement.order_by(judgements_table.c.number))


def take_back_all(connection: Connection, collection_id: str, annotator: User) -> int:
    """Take back everything that somebody judged in a collection, an undo each, so that it stays on record; how many there were."""
    current = select(_j.judgement).where(_j.collection == collection_id, _j.annotator == annotator.id)
    taken = list(connection.execute(current).scalars())
    for judgement in taken:
        undo(connection, annotator, uuid5(TAKEN_BACK, judgement), UUID(judgement))
    claims = (_s.collection == collection_id, _s.annotator == annotator.id)
    connection.execute(update(showings_table).where(*claims).values(expires=0.0))
    return len(taken)


def judgement_of(row: Any) -> Judgement:
    """An event as a judgement; it was validated when it was stored."""
    return Judgement.model_construct(
        uuid=UUID(row.id),
        pair_id=row.pair,
        annotator=row.annotator,
        choice=Choice(row.choice),
        left=Choice(row.left),  # type: ignore[arg-type]
        strength=row.strength,
        reason=row.reason,
        duration=row.seconds,
        edited=row.edited,
        revealed=bool(row.revealed),
    )


def _store(connection: Connection, annotator: User, submission: Submission, showing: Any) -> Choice:
    """Add the event and update what depends on it; the choice by the response's identity."""
    left = left_of(annotator.id, submission.pair, showing.seed)
    choice: Choice = choice_at(submission.choice, left) if isinstance(submission.choice, Place) else submission.choice
    edited = submission.edited
    if showing.before:
        _refuse_endless(connection, submission.collection, submission.pair, annotator.id)
    most = LONGER_TIMES * max(len(showing.first), len(showing.second)) + LONGER_BY
    if edited is not None and len(edited) > most:
        raise InputError("judgement_edit_long", length=len(edited), most=most)
    if not choice.is_response and (submission.strength is not None or edited is not None):
        raise InputError("judgement_needs_choice")
    if edited is not None and not edited.strip():
        raise InputError("judgement_edit_empty")
    if edited is not None and edited == (showing.first if choice is Choice.FIRST else showing.second):
        edited = None
    uuid, now = str(submission.id), time.time()
    event = _event_row(submission.collection, submission.pair, annotator.id) | {
        "id": uuid,
        "kind": JUDGEMENT,
        "choice": choice.value,
        "left": left.value,
        "strength": submission.strength,
        "reason": submission.reason,
        "seconds": submission.seconds,
        "edited": edited,
        "supersedes": showing.before,
        "revealed": submission.revealed,
        "time": now,
    }
    _add_event.run(connection, **event)
    row = {"collection": submission.collection, "pair": submission.pair, "annotator": annotator.id}
    _put_current.run(connection, **row, judgement=uuid, choice=choice.value)
    _end_claims.run(connection, c=submission.collection, p=submission.pair, a=annotator.id)
    then = Choice(showing.choice_before) if showing.before else None
    follow(connection, annotator, showing, then, choice, seconds=submission.seconds, now=now)
    return choice


def _refuse_endless(connection: Connection, collection: str, pair: str, annotator_id: str) -> None:
    """Raise StateError where this person has judged this pair, and changed their mind, too often."""
    if _count_mine.first(connection, c=collection, p=pair, a=annotator_id)[0] >= MOST_OF_A_PAIR:
        raise StateError("judgement_too_often", most=MOST_OF_A_PAIR)


def _event_row(collection: str, pair: str, annotator_id: str) -> dict[str, Any]:
    """The columns of an event; those that only a judgement has are empty."""
    empty = dict.fromkeys(("choice", "left", "strength", "seconds", "edited", "supersedes"))
    return empty | {"collection": collection, "pair": pair, "annotator": annotator_id, "reason": "", "revealed": False}


def _sources(annotator_id: str, showing: Any) -> dict[str, str | None]:
    """The sources of the two responses, by their places on the screen."""
    sources = (showing.first_source, showing.second_source)
    a, b = sources if left_of(annotator_id, showing.pair, showing.seed) is Choice.FIRST else sources[::-1]
    return {"a": a, "b": b}
