"""Choices that a file brings with its pairs, stored as judgements of a named annotator, who is marked as imported.

Nobody saw these pairs here: such a judgement has no time, and no side of its own, so it is in no figure about sides or pace. What a
file says of its pairs is read in ``lab/data/pair_rows.py``.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from lab.annotation.judgements import JUDGEMENT
from lab.annotation.pairs import recount
from lab.annotation.tables import annotators_table, collections_table, current_table, judgements_table
from lab.core.preferences import IMPORTED, Choice, left_of

NAMESPACE = UUID("3e0c4a55-5b0d-4a43-9b51-7a0c7f6f4f02")
AT_ONCE = 500
"""Votes that are in memory as rows at a time."""


class FileVote(NamedTuple):
    """One choice of a file, by the response's identity."""

    pair: str
    choice: str
    strength: int | None
    annotator: str
    """Who, where the file says so."""


def imported_id(name: str) -> str:
    """The id of an annotator who came with a file: it names nobody, and tells that they never judged here."""
    return IMPORTED + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def put_votes(connection: Connection, collection_id: str, votes: Iterable[FileVote], name: str) -> None:
    """Store votes as judgements of ``name``, or of whom the file names; the same file a second time adds none.

    Where one of them judges a pair several times in the file, each time after the first is another annotator's: "name 2", "name 3".
    """
    c = collections_table.c
    seed = connection.execute(select(c.seed).where(c.id == collection_id)).scalar_one()
    people: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for vote, who in _told_apart(votes, name):
        people[imported_id(who)] = who
        rows.append(_event(collection_id, seed, vote, imported_id(who)))
        if len(rows) == AT_ONCE:
            _put(connection, rows)
            rows = []
    _put(connection, rows)
    zero = {"judged": 0, "skipped": 0, "in_open": 0, "given": 0, "seconds": 0.0}
    there = [{"collection": collection_id, "annotator": person, "name": who} | zero for person, who in people.items()]
    if there:
        connection.execute(insert(annotators_table).on_conflict_do_nothing(), there)
    recount(connection, collection_id)


def _told_apart(votes: Iterable[FileVote], name: str) -> Iterator[tuple[FileVote, str]]:
    """Each vote with its annotator's name: nobody judges a pair twice."""
    seen: Counter[tuple[str, str]] = Counter()
    for vote in votes:
        who = (vote.annotator or name).strip()[:80]
        seen[vote.pair, who] += 1
        number = seen[vote.pair, who]
        yield vote, who if number == 1 else f"{who} {number}"


def _event(collection_id: str, seed: int, vote: FileVote, annotator: str) -> dict[str, Any]:
    choice = Choice(vote.choice)
    return {
        "id": str(uuid5(NAMESPACE, f"{collection_id} {vote.pair} {annotator}")),
        "kind": JUDGEMENT,
        "collection": collection_id,
        "pair": vote.pair,
        "annotator": annotator,
        "choice": choice.value,
        "left": left_of(annotator, vote.pair, seed).value,  # as it would have been shown; no figure counts it
        "strength": vote.strength if choice.is_response else None,
        "reason": "",
        "seconds": None,
        "edited": None,
        "supersedes": None,
        "time": time.time(),
        "revealed": False,
    }


def _put(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    connection.execute(insert(judgements_table).on_conflict_do_nothing(index_elements=["id"]), rows)
    current = [
        {name: row[name] for name in ("collection", "pair", "annotator", "choice")} | {"judgement": row["id"]}
        for row in rows
    ]
    connection.execute(insert(current_table).on_conflict_do_nothing(), current)
