"""Adjudication: the owner's final choice on a pair that annotators disagree about.

The owner has seen the votes, so an adjudication is an event of its own kind. It is no vote, counts in no measure of agreement, side or
pace, and the pair can still be judged. The rule of the data set (``Derivation``) says whether it decides. Blind judging:
``queue.py`` assigns pairs, ``judgements.py`` stores choices.
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
    """Store the owner's choice on a pair; returns after the commit. The latest adjudication of a pair counts.

    Raises StateError ``no_such_collection`` and ``no_such_pair``; ValueError for a skip, which decides nothing.
    """
    adjudication = Adjudication.model_validate({"pair_id": pair_id, "by": owner.id, "choice": choice})
    store.writing(lambda connection: _add(connection, collection_id, adjudication))
    return adjudication


def adjudications(events: Iterable[Any]) -> list[Adjudication]:
    """The adjudications that count after these events, oldest event first; one for each pair."""
    latest = {event.pair: event for event in events if event.kind == ADJUDICATION}
    return [
        Adjudication.model_construct(pair_id=event.pair, by=event.annotator, choice=Choice(event.choice))  # type: ignore[arg-type]
        for event in latest.values()
    ]


def _add(connection: Connection, collection_id: str, adjudication: Adjudication) -> None:
    collection = read_collection(connection, collection_id).id
    there = (pairs_table.c.collection == collection, pairs_table.c.id == adjudication.pair_id)
    if connection.execute(select(pairs_table.c.id).where(*there)).first() is None:
        raise StateError("no_such_pair", pair=adjudication.pair_id[:64])
    j = judgements_table.c
    of_pair = (j.collection == collection, j.pair == adjudication.pair_id, j.kind == ADJUDICATION)
    before = connection.execute(select(j.id).where(*of_pair).order_by(j.number.desc()).limit(1)).scalar()
    event = {"id": str(uuid4()), "kind": ADJUDICATION, "collection": collection, "pair": adjudication.pair_id}
    content = {"annotator": adjudication.by, "choice": adjudication.choice.value, "reason": ""}
    connection.execute(insert(judgements_table).values(event | content | {"supersedes": before, "time": time.time()}))
