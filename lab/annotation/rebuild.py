"""What follows from the events, computed anew from them alone: current judgements, votes, progress.

For a home that was made of its events (``lab/store/outside.py``); day by day each judgement keeps these tables itself.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import recount
from lab.annotation.tables import collections_table, current_table
from lab.store.runs import Store


def rebuild(store: Store) -> None:
    """Compute them for every collection, in one transaction."""

    def work(connection: Connection) -> None:
        for collection in connection.execute(select(collections_table.c.id)).scalars().all():
            rebuild_collection(connection, collection)

    store.writing(work)


def rebuild_collection(connection: Connection, collection: str) -> None:
    """Compute them for one, whose annotators are there."""
    connection.execute(delete(current_table).where(current_table.c.collection == collection))
    current = [
        {"collection": collection, "pair": each.pair_id, "annotator": each.annotator, "judgement": str(each.uuid)}
        | {"choice": each.choice.value}
        for each in current_judgements(connection, collection)
    ]
    if current:
        connection.execute(insert(current_table), current)
    recount(connection, collection)
