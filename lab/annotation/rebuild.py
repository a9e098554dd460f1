"""What follows from the events, computed anew from them alone: current judgements, votes, progress.

For a home that was made of its events (``lab/store/outside.py``); day by day each judgement keeps these tables itself.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import AT_ONCE, recount
from lab.annotation.tables import collections_table, current_table
from lab.store.runs import Store


def rebuild(store: Store) -> None:
    """Compute them for every collection, in one transaction."""

    def work(connection: Connection) -> None:
        for collection in connection.execute(select(collections_table.c.id)).scalars().all():
            connection.execute(delete(current_table).where(current_table.c.collection == collection))
            rows = [
                {
                    "collection": collection,
                    "pair": judgement.pair_id,
                    "annotator": judgement.annotator,
                    "judgement": str(judgement.uuid),
                    "choice": judgement.choice.value,
                }
                for judgement in current_judgements(connection, collection)
            ]
            for start in range(0, len(rows), AT_ONCE):
                connection.execute(insert(current_table), rows[start : start + AT_ONCE])
            recount(connection, collection)

    store.writing(work)
