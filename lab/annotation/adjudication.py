"""The owner's word on a pair that others judged differently, by the response's identity.

Whoever gives it has seen the votes, so it is an event of its own kind: it is no vote, counts in no figure of agreement, sides or
pace, and keeps no pair from being judged. Whether it decides is the dataset's rule (``Derivation``). Blind judging is
``judgements_queue.py`` (which pair) and ``judgements.py`` (what was said).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from lab.annotation.judgements import ADJUDICATION
from lab.annotation.pairs import read_collection
from lab.annotation.tables import judgements_table, pairs_table
from lab.core.access import User
from lab.core.preferences import Adjudication, Choice
from lab.errors import StateError
from lab.store.runs import Store


def adjudicate(store: Store, owner: User, collection_id: str, pair_id: str, choice: Choice) -> Adjudication:
    """Store what the owner says of a pair, after the commit; the latest word on a pair is the one that stands.

    Raises StateError ``no_such_collection`` and ``no_such_pair``; ValueError for a skip, which decides nothing.
    """
    word = Adjudication.model_validate({"pair_id": pair_id, "by": owner.id, "choice": choice})
    store.writing(lambda connection: _add(connection, collection_id, word))
    return word


def words(told: Iterable[Any]) -> list[Adjudication]:
    """The words that stand after these events, which come oldest first: one a pair."""
    latest = {event.pair: event for event in told if event.kind == ADJUDICATION}
    return [
        Adjudication.model_construct(pair_id=event.pair, by=event.annotator, choice=Choice(event.choice))  # type: ignore[arg-type]
        for event in latest.values()
    ]


def _add(connection: Connection, collection_id: str, word: Adjudication) -> None:
    collection = read_collection(connection, collection_id).id
    there = (pairs_table.c.collection == collection, pairs_table.c.id == word.pair_id)
    if connection.execute(select(pairs_table.c.id).where(*there)).first() is None:
        raise StateError("no_such_pair", pair=word.pair_id[:64])
    j = judgements_table.c
    of_pair = (j.collection == collection, j.pair == word.pair_id, j.kind == ADJUDICATION)
    before = connection.execute(select(j.id).where(*of_pair).order_by(j.number.desc()).limit(1)).scalar()
    event = {"id": str(uuid4()), "kind": ADJUDICATION, "collection": collection, "pair": word.pair_id, "reason": ""}
    said = {"annotator": word.by, "choice": word.choice.value, "supersedes": before, "time": time.time()}
    connection.execute(insert(judgements_table).values(event | said))
