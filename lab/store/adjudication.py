"""The owner's word on a pair that others judged differently: one more judgement, by the response's identity.

It is stored as any other, with a showing of its own, so it counts as one vote and can be told apart by its annotator. Ordinary
judging is ``judgements_queue.py`` (which pair) and ``judgements.py`` (what was said).
"""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from lab.core.access import User
from lab.core.preferences import Choice, Place, left_of
from lab.errors import StateError
from lab.store.annotation_tables import collections_table, pairs_table, showings_table
from lab.store.judgements import Submission, judge
from lab.store.runs import Store


def adjudicate(store: Store, owner: User, collection_id: str, pair_id: str, choice: Choice) -> dict[str, Any]:
    """Store what the owner says of a pair; the answer of ``judgements.judge``, after the commit.

    Raises StateError ``no_such_collection`` and ``no_such_pair``.
    """
    return store.writer.submit(
        lambda connection: _adjudicate(connection, owner, collection_id, pair_id, choice)
    ).result()


def _adjudicate(
    connection: Connection, owner: User, collection_id: str, pair_id: str, choice: Choice
) -> dict[str, Any]:
    seed = connection.execute(select(collections_table.c.seed).where(collections_table.c.id == collection_id)).scalar()
    if seed is None:
        raise StateError("no_such_collection", collection=collection_id[:64])
    there = (pairs_table.c.collection == collection_id, pairs_table.c.id == pair_id)
    if connection.execute(select(pairs_table.c.id).where(*there)).first() is None:
        raise StateError("no_such_pair", pair=pair_id[:64])
    showing, now = uuid4(), time.time()
    shown = {"id": str(showing), "collection": collection_id, "pair": pair_id, "annotator": owner.id}
    connection.execute(insert(showings_table).values(**shown, time=now, expires=now))
    said: Place | Choice = choice
    if choice.is_response:
        said = Place.LEFT if left_of(owner.id, pair_id, seed) is choice else Place.RIGHT
    return judge(connection, owner, Submission(showing, collection_id, pair_id, said))
