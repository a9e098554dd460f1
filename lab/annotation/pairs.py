"""Collections and their pairs, as rows of the database. ``sources.py`` makes pairs, ``queue.py`` assigns them.

Pairs are only added. Their order is drawn from the collection's seed, so that the order carries no information.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or

from lab.annotation.tables import annotators_table, collections_table, current_table, pairs_table
from lab.core.preferences import Choice, Message, Pair, Response, plain_prompt
from lab.errors import InputError, StateError
from lab.store.fast_statements import Prepared
from lab.store.runs import NAME_LENGTH, clean_name, new_run_id, valid_run_id

EVERYONE = 1_000_000
"""The overlap that is stored where everyone judges every pair: no pair ever has as many votes, so none is ever closed."""


class CollectionSettings(BaseModel):
    """How a collection is judged."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    overlap: int = Field(1, ge=1, le=50, strict=True)
    """Judgements wanted of each pair. Gold pairs are for everybody."""
    everyone: bool = False
    """Whether everyone judges every pair, however many they are; then ``overlap`` says nothing."""
    gold_rate: float = Field(0.1, ge=0, le=0.5)
    """The share of gold pairs among those that a person is shown, as long as there are any."""
    strength: bool = False
    """Whether people are asked how much better the chosen one is."""
    reason: bool = False
    """Whether people are asked why."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """Of sides and order; drawn where it is not given."""

    @property
    def wanted(self) -> int | None:
        """Judgements that decide a pair; None where all of them do."""
        return None if self.everyone else self.overlap

    def stored(self) -> dict[str, Any]:
        """As the columns of the table have them, but the seed."""
        values = self.model_dump(exclude={"seed", "everyone"})
        return values | ({"overlap": EVERYONE} if self.everyone else {})


def usual_settings(*, class_comes: bool) -> CollectionSettings:
    """The settings of a new collection: where guests are let in, everyone judges every pair."""
    return CollectionSettings(everyone=class_comes)


@dataclass(frozen=True)
class Collection:
    """Pairs that are judged together."""

    id: str
    name: str
    settings: CollectionSettings
    created: float
    pairs: int
    """Without gold pairs."""
    gold: int
    open: int
    """Pairs that still want judgements."""
    judgements: int = 0
    """That count now, without skips."""
    annotators: int = 0
    beyond: int = 0
    """Judgements beyond the overlap: a claim ran out, somebody else judged, and the first one answered late."""
    hidden: bool = False
    """Whether only the owner sees it."""


def settings_from(values: dict[str, Any]) -> CollectionSettings:
    """Settings from a form or a command. Raises InputError that names the value."""
    try:
        return CollectionSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError("collection_setting", field=field, value=str(first["input"])[:40], why=first["msg"]) from None


def collection_name(name: str) -> str:
    """A name fit to be shown: one line, not empty. Raises InputError ``collection_name``."""
    try:
        return clean_name(name)
    except InputError:
        raise InputError("collection_name", name=name[:40], most=NAME_LENGTH) from None


# ---- collections


def new_collection(connection: Connection, name: str, settings: CollectionSettings, origin: str | None = None) -> str:
    """Make an empty collection; its id. ``origin`` says what it is made of (``made_of``)."""
    collection_id = new_run_id(time.time())
    seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
    counters = {"pairs": 0, "gold": 0, "open": 0, "created": time.time()}
    values = settings.stored() | {"seed": seed, "origin": origin, "hidden": False} | counters
    connection.execute(insert(collections_table).values(id=collection_id, name=collection_name(name), **values))
    return collection_id


def made_of(connection: Connection, origin: str) -> str | None:
    """The id of the collection that was made of it, or None."""
    c = collections_table.c
    return connection.execute(select(c.id).where(c.origin == origin).limit(1)).scalar()


def read_collections(connection: Connection, *conditions: Any) -> list[Collection]:
    """The collections that fulfil the conditions, the newest first, with how much was judged in each."""
    judged = select(annotators_table.c.collection, func.sum(annotators_table.c.judged), func.count())
    counts = {
        row[0]: (int(row[1]), int(row[2]))
        for row in connection.execute(
            judged.where(annotators_table.c.judged + annotators_table.c.skipped > 0).group_by(
                annotators_table.c.collection
            )
        )
    }
    beyond = _beyond(connection)
    order = (collections_table.c.created.desc(), collections_table.c.id.desc())
    rows = connection.execute(select(collections_table).where(*conditions).order_by(*order))
    return [_collection(row, *counts.get(row.id, (0, 0)), beyond.get(row.id, 0)) for row in rows]


def _beyond(connection: Connection) -> dict[str, int]:
    """How many judgements each collection has beyond its overlap; those that have none are missing."""
    p, c = pairs_table.c, collections_table.c
    exceeded = select(p.collection, func.sum(p.votes - c.overlap)).join(collections_table, c.id == p.collection)
    statement = exceeded.where(p.gold.is_(None), p.votes > c.overlap).group_by(p.collection)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def read_collection(connection: Connection, collection_id: str) -> Collection:
    """One collection. Raises StateError ``no_such_collection``."""
    matches = (
        read_collections(connection, collections_table.c.id == collection_id) if valid_run_id(collection_id) else []
    )
    if not matches:
        raise StateError("no_such_collection", collection=str(collection_id)[:64])
    return matches[0]


def change_collection(connection: Connection, collection_id: str, name: str, settings: CollectionSettings) -> None:
    """Give a collection another name and other settings, but the seed: sides and order stay."""
    values = settings.stored() | {"name": collection_name(name)}
    connection.execute(update(collections_table).where(collections_table.c.id == collection_id).values(**values))
    recount(connection, collection_id)


def hide_collection(connection: Connection, collection_id: str, hidden: bool) -> None:
    """Hide a collection from everybody but the owner, or show it again. Raises StateError ``no_such_collection``."""
    collection = read_collection(connection, collection_id)
    connection.execute(update(collections_table).where(collections_table.c.id == collection.id).values(hidden=hidden))


def recount(connection: Connection, collection_id: str) -> None:
    """Recompute the counters from pairs and current judgements; each judgement otherwise keeps them up to date."""
    p, j = pairs_table.c, current_table.c
    mine = (j.collection == collection_id, p.collection == collection_id, p.id == j.pair)
    votes = select(func.count()).where(j.collection == p.collection, j.pair == p.id, j.choice != Choice.SKIP.value)
    connection.execute(update(pairs_table).where(p.collection == collection_id).values(votes=votes.scalar_subquery()))
    wanted = select(collections_table.c.overlap).where(collections_table.c.id == collection_id).scalar_subquery()
    still_open = (p.gold.is_(None), p.votes < wanted)
    ordinary = select(func.count()).where(p.collection == collection_id, p.gold.is_(None)).scalar_subquery()
    gold = select(func.count()).where(p.collection == collection_id, p.gold.is_not(None)).scalar_subquery()
    open_ = select(func.count()).where(p.collection == collection_id, *still_open).scalar_subquery()
    connection.execute(
        update(collections_table)
        .where(collections_table.c.id == collection_id)
        .values(pairs=ordinary, gold=gold, open=open_)
    )
    a = annotators_table.c
    of_them = (*mine, j.annotator == a.annotator)
    connection.execute(
        update(annotators_table)
        .where(a.collection == collection_id)
        .values(
            judged=select(func.count()).where(*of_them, j.choice != Choice.SKIP.value).scalar_subquery(),
            skipped=select(func.count()).where(*of_them, j.choice == Choice.SKIP.value).scalar_subquery(),
            in_open=select(func.count()).where(*of_them, *still_open).scalar_subquery(),
        )
    )


# ---- pairs


class StoredPair(NamedTuple):
    """A pair as its row of the table has it; the prompt is text or messages, as JSON has them."""

    id: str
    prompt: str | list[dict[str, str]]
    first: str
    first_source: str | None
    second: str
    second_source: str | None
    gold: str | None
    own: dict[str, Any] = {}  # noqa: RUF012 (a NamedTuple's default, which nobody changes)


_add_pair = Prepared(
    insert_or(pairs_table)
    .values({column.name: bindparam(column.name) for column in pairs_table.c})
    .on_conflict_do_nothing()
)


def add_pairs(connection: Connection, collection_id: str, seed: int, pairs: Iterable[Pair]) -> set[str]:
    """Add what the collection does not have yet; the ids of those that were added."""
    return add_stored(connection, collection_id, seed, [[_stored(pair) for pair in pairs]])


def add_stored(
    connection: Connection, collection_id: str, seed: int, batches: Iterable[Sequence[StoredPair]]
) -> set[str]:
    """The same in batches; one batch is in memory at a time."""
    before = set(
        connection.execute(select(pairs_table.c.id).where(pairs_table.c.collection == collection_id)).scalars()
    )
    added: set[str] = set()
    gold = 0
    for batch in batches:
        fresh = {pair.id: pair for pair in batch if pair.id not in before and pair.id not in added}
        _add_pair.run_all(connection, [_row(collection_id, seed, pair) for pair in fresh.values()])
        added |= set(fresh)
        gold += sum(pair.gold is not None for pair in fresh.values())
    c, count = collections_table.c, len(added)
    connection.execute(
        update(collections_table)
        .where(c.id == collection_id)
        .values(pairs=c.pairs + count - gold, gold=c.gold + gold, open=c.open + count - gold)
    )
    return added


def read_pairs(connection: Connection, collection_id: str) -> list[Pair]:
    """Every pair of a collection, in the order of their ids."""
    statement = select(pairs_table).where(pairs_table.c.collection == collection_id).order_by(pairs_table.c.id)
    return [pair_of(row) for row in connection.execute(statement)]


def pair_of(row: Row[Any]) -> Pair:
    """A row of the table as a pair; it was validated when it was stored."""
    return Pair.model_construct(
        id=row.id,
        prompt=prompt_of(row.prompt),
        first=Response.model_construct(text=row.first, source=row.first_source),
        second=Response.model_construct(text=row.second, source=row.second_source),
        gold=Choice(row.gold) if row.gold else None,  # type: ignore[arg-type]
        own=json.loads(row.own) if row.own else {},
    )


def prompt_of(stored: str) -> str | tuple[Message, ...]:
    """A prompt as it is stored, as the core has it."""
    value = json.loads(stored)
    return value if isinstance(value, str) else tuple(Message.model_construct(**message) for message in value)


def _stored(pair: Pair) -> StoredPair:
    sides = (pair.first.text, pair.first.source, pair.second.text, pair.second.source)
    return StoredPair(pair.id, plain_prompt(pair.prompt), *sides, pair.gold.value if pair.gold else None, pair.own)


def _row(collection_id: str, seed: int, pair: StoredPair) -> dict[str, Any]:
    drawn = hashlib.sha256(f"{seed}:rank:{pair.id}".encode()).digest()
    return {
        "collection": collection_id,
        "id": pair.id,
        "rank": int.from_bytes(drawn[:4]) >> 1,
        "prompt": json.dumps(pair.prompt, ensure_ascii=False),
        "first": pair.first,
        "first_source": pair.first_source,
        "second": pair.second,
        "second_source": pair.second_source,
        "gold": pair.gold,
        "votes": 0,
        "own": json.dumps(pair.own, ensure_ascii=False) if pair.own else None,
    }


def _collection(row: Row[Any], judgements: int, annotators: int, beyond: int) -> Collection:
    everyone = row.overlap >= EVERYONE
    settings = CollectionSettings(
        overlap=1 if everyone else row.overlap,
        everyone=everyone,
        gold_rate=row.gold_rate,
        strength=row.strength,
        reason=row.reason,
        seed=row.seed,
    )
    counted = (row.pairs, row.gold, row.open, judgements, annotators, beyond, row.hidden)
    return Collection(row.id, row.name, settings, row.created, *counted)
