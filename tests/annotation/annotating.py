"""What the tests of annotation share: people, small collections, and somebody who judges."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from lab.annotation.collections import Annotation
from lab.annotation.judgements import Submission
from lab.annotation.pairs import CollectionSettings, recount
from lab.annotation.tables import annotators_table, collections_table, judgements_table, pairs_table
from lab.core.access import Access, User
from lab.core.preferences import Choice, Place

ANNA, BEN, CHEN = (User(name, Access.ANNOTATOR, id=f"u-{name.lower()}") for name in ("Anna", "Ben", "Chen"))
LAST_PLACE = {Place.LEFT: "a", Place.RIGHT: "b"}


def sums(annotation: Annotation, count: int = 6, *, gold: int = 0, **settings: Any) -> str:
    """A collection of sums, each with a right and a wrong response from two sources; the first ``gold`` of them are gold."""
    rows = [
        {"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}.", "first_source": "right"}
        | {"second_source": "wrong", "gold": "first" if n < gold else None}
        for n in range(count)
    ]
    made = CollectionSettings(**{"seed": 1, "gold_rate": 0.0} | settings)
    return annotation.import_rows(rows, name="sums", settings=made).collection.id


def given(
    annotation: Annotation, person: User, collection: str, count: int = 1, holding: Any = ()
) -> list[dict[str, Any]]:
    """The pairs that somebody is handed."""
    return annotation.hand_out(person, collection, count, holding).result()["pairs"]


def says(
    annotation: Annotation, person: User, collection: str, pair: dict[str, Any], choice: Place | Choice, **more: Any
) -> dict[str, Any]:
    """Somebody judges a pair that they were handed."""
    return annotation.judge(person, Submission(UUID(pair["shown"]), collection, pair["pair"], choice, **more)).result()


def place_of(pair: dict[str, Any], right: bool = True) -> Place:
    """Where the right (or the wrong) response of a sum stands for whoever was handed the pair."""
    total = f"It is {int(pair['prompt'].split(' ')[0]) + 1}."
    return Place.LEFT if (pair["a"] == total) is right else Place.RIGHT


def judge_all(annotation: Annotation, person: User, collection: str, right: bool = True, seconds: float = 4.0) -> int:
    """Somebody judges whatever they are handed, until nothing is left; how many."""
    count = 0
    while pairs := given(annotation, person, collection, 5):
        for pair in pairs:
            says(annotation, person, collection, pair, place_of(pair, right), seconds=seconds)
            count += 1
    return count


def stored(annotation: Annotation) -> list[Any]:
    """Every event, in the order in which they came."""
    with annotation.store.reading() as connection:
        return list(connection.execute(select(judgements_table).order_by(judgements_table.c.number)))


def counters(annotation: Annotation, collection: str) -> list[Any]:
    """What is kept beside the events."""
    tables = (
        select(collections_table.c.pairs, collections_table.c.gold, collections_table.c.open),
        select(pairs_table.c.id, pairs_table.c.votes).order_by(pairs_table.c.id),
        select(annotators_table.c["annotator", "judged", "skipped", "in_open"]).order_by(annotators_table.c.annotator),
    )
    with annotation.store.reading() as connection:
        return [tuple(row) for table in tables for row in connection.execute(table)]


def counted_anew(annotation: Annotation, collection: str) -> list[Any]:
    """The same, counted from the events."""
    annotation.store.writing(lambda connection: recount(connection, collection))
    return counters(annotation, collection)
