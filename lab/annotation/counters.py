"""Counters that each judgement updates: votes of the pair, open pairs of the collection, progress of each person.

``pairs.recount`` can recompute them all; they are stored so that a queue and a progress bar take the same time however many judgements
there are. The functions run in the transaction that stores the event (``judgements.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Float, Integer, bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import insert

from lab.annotation.tables import annotators_table, collections_table, current_table, pairs_table
from lab.core.access import User
from lab.core.preferences import Choice
from lab.errors import StateError
from lab.store.fast_statements import Prepared

LONGEST_GAP = 120.0
"""Of the time between two judgements, so much at most counts as work."""
FEWEST_FOR_PACE = 3


@dataclass(frozen=True)
class Progress:
    """How far one person is in a collection."""

    judged: int
    left: int
    """Pairs that may still come to them; those that others hold just now count too."""
    total: int
    per_hour: float | None
    """While at work; None until there are some judgements."""


COUNTS = ("judged", "skipped", "in_open", "given")

_c, _a, _j = collections_table.c, annotators_table.c, current_table.c
_vote = Prepared(
    update(pairs_table)
    .where(pairs_table.c.collection == bindparam("c"), pairs_table.c.id == bindparam("p"))
    .values(votes=pairs_table.c.votes + bindparam("by", type_=Integer))
)
_progress = Prepared(
    select(_c.open, _a.judged, _a.in_open, _a.seconds)
    .select_from(collections_table)
    .outerjoin(annotators_table, (_a.collection == _c.id) & (_a.annotator == bindparam("a")))
    .where(_c.id == bindparam("c"))
)
_open = Prepared(
    update(collections_table).where(_c.id == bindparam("c")).values(open=_c.open + bindparam("by", type_=Integer))
)
_in_open = Prepared(
    update(annotators_table)
    .where(
        _a.collection == bindparam("c"),
        _a.annotator.in_(
            select(_j.annotator).where(
                _j.collection == bindparam("c"), _j.pair == bindparam("p"), _j.annotator != bindparam("a")
            )
        ),
    )
    .values(in_open=_a.in_open + bindparam("by", type_=Integer))
)
_row = insert(annotators_table).values(
    {column.name: bindparam(column.name) for column in _a} | {"latest": bindparam("now", type_=Float)}
)
_gap = bindparam("now", type_=Float) - _a.latest
_count = Prepared(
    _row.on_conflict_do_update(
        index_elements=["collection", "annotator"],
        set_={name: _a[name] + _row.excluded[name] for name in COUNTS}
        | {
            "name": _row.excluded.name,
            "latest": func.coalesce(_row.excluded.latest, _a.latest),
            # By the server's clock: the time since the judgement before, and for the first what the page says it took.
            "seconds": _a.seconds
            + case(
                (_row.excluded.latest.is_(None), 0.0),
                (_a.latest.is_(None), _row.excluded.seconds),
                (_gap > LONGEST_GAP, LONGEST_GAP),
                (_gap < 0, 0.0),
                else_=_gap,
            ),
        },
    )
)


def progress(connection: Connection, annotator_id: str, collection_id: str) -> Progress:
    """How far somebody is. Raises StateError ``no_such_collection``."""
    row = _progress.first(connection, c=collection_id, a=annotator_id)
    if row is None:
        raise StateError("no_such_collection", collection=collection_id[:64])
    judged, left = row.judged or 0, max(0, row.open - (row.in_open or 0))
    known = judged >= FEWEST_FOR_PACE and row.seconds
    return Progress(judged, left, judged + left, round(3600 * judged / row.seconds, 1) if known else None)


def follow(
    connection: Connection,
    annotator: User,
    showing: Any,
    before: Choice | None,
    after: Choice | None,
    *,
    seconds: float | None = None,
    now: float | None = None,
) -> None:
    """Bring the counters after a change of one person's current judgement from ``before`` to ``after``.

    ``showing`` has the pair's votes and gold, and its collection's overlap, as they were before; ``now`` where they have just judged.
    """
    by = _counts(after) - _counts(before)
    if by:
        _vote.run(connection, c=showing.collection, p=showing.pair, by=by)
    ordinary = showing.gold is None
    was_open = ordinary and showing.votes < showing.overlap
    is_open = ordinary and showing.votes + by < showing.overlap
    if was_open != is_open:
        change = 1 if is_open else -1  # for all others who judged it, one more or less of theirs is open
        _open.run(connection, c=showing.collection, by=change)
        _in_open.run(connection, c=showing.collection, p=showing.pair, a=annotator.id, by=change)
    counts = {
        "judged": by,
        "skipped": int(after is Choice.SKIP) - int(before is Choice.SKIP),
        "in_open": int(after is not None and is_open) - int(before is not None and was_open),
    }
    count(connection, showing.collection, annotator, counts, seconds=seconds, now=now)


def count(
    connection: Connection,
    collection_id: str,
    annotator: User,
    counts: dict[str, int],
    *,
    seconds: float | None = None,
    now: float | None = None,
) -> None:
    """Add to somebody's counters, which begin at zero; ``now`` where they have just judged."""
    row: dict[str, Any] = {"collection": collection_id, "annotator": annotator.id, "name": annotator.name}
    row |= dict.fromkeys(COUNTS, 0) | counts
    _count.run(connection, **row, seconds=min(seconds or 0.0, LONGEST_GAP) if now else 0.0, now=now)


def _counts(choice: Choice | None) -> int:
    """Whether it is a vote."""
    return int(choice is not None and choice is not Choice.SKIP)
