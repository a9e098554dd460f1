"""Frozen versions: the preferences that a rule derives from the judgements of one moment, with a hash. A version never changes.

The rows are stored; the raw judgements that they rest on are the events up to ``through``, which stay as they are; of the collection, to
which pairs may be added, its name, settings and pairs are noted. The rule is the core's (``Derivation``); ``export.py`` writes
files.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from lab.annotation.adjudication import adjudications
from lab.annotation.judgements import events, standing
from lab.annotation.pairs import Collection, CollectionSettings, collection_name, read_collection, read_pairs
from lab.annotation.tables import judgements_table, version_rows_table, versions_table
from lab.core.derivation import Derived, EditFate, as_rows, derive
from lab.core.preferences import Derivation, Pair, WhyNotDerived
from lab.data.datasets import content_hash
from lab.errors import StateError
from lab.store.runs import Store, new_run_id, valid_run_id

VERSION_COLUMN = "dataset_version"


@dataclass(frozen=True)
class Version:
    """One frozen data set."""

    id: str
    collection: str
    name: str
    created: float
    rule: Derivation
    with_gold: bool
    through: int
    """The number of the last event that it rests on."""
    content_hash: str
    """``sha256:…`` of the rows without their ``dataset_version``."""
    preferences: int
    left_out: tuple[tuple[str, WhyNotDerived], ...]

    @property
    def counts(self) -> dict[WhyNotDerived, int]:
        """How many pairs were left out for each reason."""
        return dict(Counter(why for _, why in self.left_out))

    @property
    def dataset(self) -> str:
        """What a recipe writes to train on it."""
        return f"version:{self.id}"


@dataclass(frozen=True)
class Frozen:
    """A collection as it was when a version of it was frozen."""

    name: str
    settings: CollectionSettings
    pairs: list[Pair]
    """In the order of their ids; gold ones too."""

    def noted(self) -> str:
        """As it is stored: the pairs themselves stay where they are."""
        noted = {"name": self.name, "settings": self.settings.model_dump(mode="json")}
        return json.dumps(noted | {"pairs": [pair.id for pair in self.pairs]}, ensure_ascii=False)


def derived(connection: Connection, collection: Collection, rule: Derivation, with_gold: bool) -> Derived:
    """What the rule gives now. Gold pairs are there to measure people by, and give preferences only where asked for."""
    pairs, all_events = read_pairs(connection, collection.id), list(events(connection, collection.id))
    return derive_from(pairs, all_events, rule, with_gold, collection.settings.wanted)


def derive_from(
    pairs: Sequence[Pair], all_events: Sequence[Any], rule: Derivation, with_gold: bool, overlap: int | None
) -> Derived:
    """The same of pairs and events that are at hand; the events come oldest first, ``overlap`` is the collection's."""
    pairs = [pair for pair in pairs if with_gold or pair.gold is None]
    ids = {pair.id for pair in pairs}
    judged = [judgement for judgement in standing(all_events) if judgement.pair_id in ids]
    return derive(
        pairs, judged, rule, [decision for decision in adjudications(all_events) if decision.pair_id in ids], overlap
    )


def rows_of(derived: Derived) -> list[dict[str, Any]]:
    """Preferences as they are stored: as exported, but without the version's id."""
    rows = as_rows(derived.preferences, "")
    for row in rows:
        del row[VERSION_COLUMN]
    return rows


def freeze(store: Store, collection: Collection, rule: Derivation, name: str, with_gold: bool) -> Version:
    """Store what the rule gives now, as a new version, unless the same stands there. Raises StateError where it gives nothing."""
    with store.reading() as connection:
        last = select(func.max(judgements_table.c.number)).where(judgements_table.c.collection == collection.id)
        through = connection.execute(last).scalar() or 0
        pairs = read_pairs(connection, collection.id)
        all_events = list(events(connection, collection.id))
        result = derive_from(pairs, all_events, rule, with_gold, collection.settings.wanted)
    rows = rows_of(result)
    if not rows:
        raise StateError("freeze_nothing", collection=collection.name, judgements=collection.judgements)
    row = {
        "id": new_run_id(time.time()),
        "collection": collection.id,
        "name": collection_name(name or collection.name),
        "created": time.time(),
        "rule": rule.model_dump_json(),
        "with_gold": with_gold,
        "through": through,
        "content_hash": content_hash(rows),
        "preferences": len(rows),
        "left_out": json.dumps([[pair, why.value] for pair, why in result.left_out]),
        "snapshot": Frozen(collection.name, collection.settings, pairs).noted(),
    }
    return store.writing(lambda connection: _stored(connection, row, rows))


def put(connection: Connection, row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Store a version and its rows."""
    connection.execute(insert(versions_table).values(**row))
    stored = [
        {"version": row["id"], "number": number, "row": json.dumps(content, ensure_ascii=False)}
        for number, content in enumerate(rows)
    ]
    if stored:
        connection.execute(insert(version_rows_table), stored)


def read_versions(connection: Connection, collection_id: str | None = None, *conditions: Any) -> list[Version]:
    """The versions that fulfil the conditions, the newest first."""
    statement = select(*(column for column in versions_table.c if column.name != "snapshot")).where(*conditions)
    if collection_id is not None:
        statement = statement.where(versions_table.c.collection == collection_id)
    order = (versions_table.c.created.desc(), versions_table.c.id.desc())
    return [_version(row) for row in connection.execute(statement.order_by(*order))]


def read_version(connection: Connection, version_id: str) -> Version:
    """One version. Raises StateError ``no_such_version``."""
    matches = read_versions(connection, None, versions_table.c.id == version_id) if valid_run_id(version_id) else []
    if not matches:
        raise StateError("no_such_version", version=str(version_id)[:64])
    return matches[0]


def read_frozen(connection: Connection, version: Version) -> Frozen:
    """What the collection of a version was. Of one that an older lab froze: its name and settings of now, and the pairs that the
    version or its judgements name.
    """
    collection, pairs = read_collection(connection, version.collection), read_pairs(connection, version.collection)
    noted = connection.execute(select(versions_table.c.snapshot).where(versions_table.c.id == version.id)).scalar()
    if noted is None:
        known = {pair for pair, _ in version.left_out} | {row["pair_id"] for row in read_rows(connection, version.id)}
        known |= {event.pair for event in events(connection, version.collection, version.through)}
        return Frozen(collection.name, collection.settings, [pair for pair in pairs if pair.id in known])
    then = json.loads(noted)
    known = set(then["pairs"])
    settings = CollectionSettings.model_validate(then["settings"])
    return Frozen(then["name"], settings, [pair for pair in pairs if pair.id in known])


def edits_of(connection: Connection, version: Version) -> Mapping[EditFate, int]:
    """What became of the edited responses when a version was frozen: how many of each fate."""
    frozen = read_frozen(connection, version)
    all_events = list(events(connection, version.collection, version.through))
    return derive_from(frozen.pairs, all_events, version.rule, version.with_gold, frozen.settings.wanted).edits


def read_rows(connection: Connection, version_id: str) -> list[dict[str, Any]]:
    """The rows of a version as they are exported."""
    table = version_rows_table.c
    stored = select(table.row).where(table.version == version_id).order_by(table.number)
    return [json.loads(row) | {VERSION_COLUMN: version_id} for row in connection.execute(stored).scalars()]


def _stored(connection: Connection, row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Version:
    v = versions_table.c
    same = [v[name] == row[name] for name in ("collection", "with_gold", "through", "content_hash")]
    rule = Derivation.model_validate_json(
        row["rule"]
    )  # compared as a rule: an older version's may leave out what is usual
    there = [version for version in read_versions(connection, None, *same) if version.rule == rule]
    if there:
        return there[0]
    put(connection, row, rows)
    return read_version(connection, row["id"])


def _version(row: Row[Any]) -> Version:
    values = dict(row._mapping)
    values["rule"] = Derivation.model_validate_json(values["rule"])
    values["left_out"] = tuple((pair, WhyNotDerived(why)) for pair, why in json.loads(values["left_out"]))
    return Version(**values)
