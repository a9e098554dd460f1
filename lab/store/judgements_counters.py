"""What follows from a judgement at once: votes of the pair, how many pairs are open, how far each person is.

All of it could be counted anew (``pairs.recount``); it is kept instead, so that a queue and a progress bar cost the same however many
judgements there are. The functions work within the transaction that stores the event (``judgements.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update
from sqlalchemy.dialects.sqlite import insert

from lab.core.access import User
from lab.core.preferences import Choice
from lab.errors import StateError
from lab.store.annotation_tables import annotators_table, collections_table, current_table, pairs_table

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


_vote = (
    update(pairs_table)
    .where(pairs_table.c.collection == bindparam("c"), pairs_table.c.id == bindparam("p"))
    .values(votes=pairs_table.c.votes + bindparam("by"))
)
_progress = (
    select(collections_table.c.open, annotators_table.c.judged, annotators_table.c.in_open, annotators_table.c.seconds)
    .select_from(collections_table)
    .outerjoin(
        annotators_table,
        (annotators_table.c.collection == collections_table.c.id) & (annotators_table.c.annotator == bindparam("a")),
    )
    .where(collections_table.c.id == bindparam("c"))
)


def progress(connection: Connection, annotator_id: str, collection_id: str) -> Progress:
    """How far somebody is. Raises StateError ``no_such_collection``."""
    row = connection.execute(_progress, {"c": collection_id, "a": annotator_id}).first()
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
        connection.execute(_vote, {"c": showing.collection, "p": showing.pair, "by": by})
    ordinary = showing.gold is None
    was_open = ordinary and showing.votes < showing.overlap
    is_open = ordinary and showing.votes + by < showing.overlap
    if was_open != is_open:
        _open_or_close(connection, annotator, showing, 1 if is_open else -1)
    counts = {
        "judged": by,
        "skipped": int(after is Choice.SKIP) - int(before is Choice.SKIP),
        "in_open": int(after is not None and is_open) - int(before is not None and was_open),
    }
    if now is None:
        count(connection, showing.collection, annotator, counts)
    else:
        count(connection, showing.collection, annotator, counts, _worked(seconds, now), {"latest": now})


def count(
    connection: Connection,
    collection_id: str,
    annotator: User,
    counts: dict[str, int],
    worked: tuple[float, Any] = (0.0, None),
    values: dict[str, Any] | None = None,
) -> None:
    """Add to somebody's counters, which begin at zero. ``worked`` is what the seconds begin with, and what they become."""
    first, then = worked
    zero = dict.fromkeys(("judged", "skipped", "in_open", "given"), 0)
    row = {"collection": collection_id, "annotator": annotator.id, "name": annotator.name, "seconds": first}
    changes: dict[str, Any] = {name: annotators_table.c[name] + by for name, by in counts.items()}
    if then is not None:
        changes["seconds"] = then
    statement = insert(annotators_table).values(**row, **zero | counts, **values or {})
    changes |= {"name": annotator.name} | (values or {})
    connection.execute(statement.on_conflict_do_update(index_elements=["collection", "annotator"], set_=changes))


def _worked(seconds: float | None, now: float) -> tuple[float, Any]:
    """The time that a judgement took, by the server's clock: since the one before, and for the first what the page says."""
    a = annotators_table.c
    first, gap = min(seconds or 0.0, LONGEST_GAP), now - a.latest
    since = case((a.latest.is_(None), first), (gap > LONGEST_GAP, LONGEST_GAP), (gap < 0, 0.0), else_=gap)
    return first, a.seconds + since


def _open_or_close(connection: Connection, annotator: User, showing: Any, by: int) -> None:
    """A pair got its last vote, or lost it: for all others who judged it, one more or less of theirs is open."""
    c, a, j = collections_table.c, annotators_table.c, current_table.c
    connection.execute(update(collections_table).where(c.id == showing.collection).values(open=c.open + by))
    others = select(j.annotator).where(
        j.collection == showing.collection, j.pair == showing.pair, j.annotator != annotator.id
    )
    connection.execute(
        update(annotators_table)
        .where(a.collection == showing.collection, a.annotator.in_(others))
        .values(in_open=a.in_open + by)
    )


def _counts(choice: Choice | None) -> int:
    """Whether it is a vote."""
    return int(choice is not None and choice is not Choice.SKIP)
