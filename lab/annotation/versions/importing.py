"""What an export wrote, read back: its files as they are looked at before an import, and as a collection and a version again.

Files may come from anywhere and hold anything: all of it is checked before any of it is stored. Where they come from a browser,
``upload.py`` has put them into a folder first. Writing them is ``export.py``'s.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Connection, insert, select

from lab.annotation.judgements import ADJUDICATION, JUDGEMENT
from lab.annotation.judgements import events as stored_events
from lab.annotation.pairs import (
    Collection,
    CollectionSettings,
    add_pairs,
    collection_name,
    new_collection,
    read_collection,
    settings_from,
)
from lab.annotation.rebuild import rebuild_collection
from lab.annotation.tables import annotators_table, judgements_table, versions_table
from lab.annotation.versions import freeze as versions
from lab.annotation.versions.export import FORMAT
from lab.annotation.versions.freeze import Version
from lab.core.derivation import Derived
from lab.core.preferences import Adjudication, Choice, Derivation, Judgement, Name, Pair, Response, Which, make_pair
from lab.data.datasets import content_hash
from lab.errors import InputError
from lab.sandbox.files import MOST_FILE_BYTES, ordinary_file, read_records
from lab.store.runs import Store, new_run_id, valid_run_id

ABOUT, PAIRS, JUDGEMENTS = "version.json", "pairs.jsonl", "judgements.jsonl"
NEEDED = (ABOUT, PAIRS, JUDGEMENTS)
"""The files of an export that an import reads: the others say the same once more."""
LATEST = 2.0**35
"""No time is later: seconds since 1970, in the year 3058."""
MOST_ABOUT_BYTES = 16 * 2**20
"""``version.json`` names every pair that was left out."""

Id = Annotated[str, AfterValidator(lambda text: str(UUID(text)))]


class Event(BaseModel):
    """A row of ``judgements.jsonl``; the names are the table's."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    id: Id
    kind: Literal["judgement", "undo", "adjudication"]
    pair: Name = Field(alias="pair_id")
    annotator: Name
    choice: Choice | None = None
    left: Which | None = None
    strength: int | None = None
    reason: str = ""
    seconds: float | None = None
    edited: str | None = None
    supersedes: Id | None = None
    time: float = Field(ge=0, lt=LATEST)
    revealed: bool = False

    @model_validator(mode="after")
    def _says_what_its_kind_says(self) -> Self:
        if self.kind == JUDGEMENT:
            Judgement.model_validate(
                {"uuid": self.id, "pair_id": self.pair, "duration": self.seconds}
                | self.model_dump(include={"annotator", "choice", "left", "strength", "reason", "edited"})
            )
            return self
        if self.kind == ADJUDICATION:
            Adjudication.model_validate({"pair_id": self.pair, "by": self.annotator, "choice": self.choice})
        elif self.choice:
            raise ValueError("an undo says nothing of the pair")
        if any((self.left, self.strength, self.reason, self.seconds, self.edited)):
            raise ValueError("only a judgement has a side, strength, reason, time or edit")
        return self


@dataclass(frozen=True)
class Exported:
    """An exported version as its files say; nothing of it is stored."""

    id: str
    name: str
    collection: str
    """The name of the collection."""
    settings: CollectionSettings
    frozen: float
    """When; seconds since 1970."""
    with_gold: bool
    content_hash: str
    pairs: list[Pair]
    events: list[Event]
    derived: Derived
    """What its judgements give by its rule: what ``content_hash`` is the hash of."""

    @property
    def rule(self) -> Derivation:
        """By which it was derived."""
        return self.derived.rule

    @property
    def annotators(self) -> int:
        """How many people judged."""
        return len({event.annotator for event in self.events if event.kind == JUDGEMENT})


def read_export(folder: Path, called: str = "") -> Exported:
    """What lies in a folder that ``export`` wrote. Errors name it ``called``, or else by its path.

    Raises InputError: no such folder, a broken file, or another content than was exported; DatasetError where a file cannot be read.
    """
    folder = folder.expanduser().absolute()
    name = called or str(folder)
    about = _about(folder / ABOUT, name)
    try:
        pairs = [_pair(row) for row in _rows(folder / PAIRS)]
        events = [Event.model_validate(row) for row in _rows(folder / JUDGEMENTS)]
        _fit(pairs, events)
        return _exported(about, pairs, events, name)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError("export_broken", folder=name, why=_why(error)) from error


def _exported(about: dict[str, Any], pairs: list[Pair], events: list[Event], name: str) -> Exported:
    """The version that the files describe. Raises KeyError, TypeError, ValueError for nonsense, InputError where it was changed."""
    settings = settings_from(about["collection"]["settings"])
    rule, with_gold, wanted = (
        Derivation.model_validate(about["rule"]),
        bool(about["with_gold"]),
        about.get("content_hash"),
    )
    # An older lab lost pairs that had more judgements than were wanted: its versions are derived without the overlap.
    ways = (versions.derive_from(pairs, events, rule, with_gold, overlap) for overlap in (settings.wanted, None))
    derived = next((candidate for candidate in ways if content_hash(versions.rows_of(candidate)) == wanted), None)
    if derived is None:
        raise InputError("export_changed", folder=name)
    return Exported(
        id=str(about.get("id")),
        name=collection_name(str(about.get("name") or about["collection"]["name"])),
        collection=collection_name(str(about["collection"]["name"])),
        settings=settings,
        frozen=_moment(about["created"]),
        with_gold=with_gold,
        content_hash=str(wanted),
        pairs=pairs,
        events=events,
        derived=derived,
    )


@dataclass(frozen=True)
class TakenIn:
    """What became of an export that was taken in."""

    version: Version
    was_here: bool
    """Whether this lab had it already: then nothing was stored, and this is the version that was there."""


def import_export(store: Store, exported: Exported) -> TakenIn:
    """Store an exported version: a new collection with its pairs and judgements, and a version with the same content and moment.

    One that is here already, made here or taken in before, is not stored again.
    """

    def work(connection: Connection) -> tuple[str, bool]:
        if (here := _here(connection, exported)) is not None:
            return here, True
        collection = new_collection(connection, exported.collection, exported.settings)
        add_pairs(connection, collection, exported.settings.seed or 0, exported.pairs)
        through = _put_events(connection, collection, exported.events)
        rows = versions.rows_of(exported.derived)
        row = {
            "id": _free_id(connection, exported.id),
            "collection": collection,
            "name": exported.name,
            "created": exported.frozen,
            "rule": exported.rule.model_dump_json(),
            "with_gold": exported.with_gold,
            "through": through,
            "content_hash": exported.content_hash,
            "preferences": len(rows),
            "left_out": json.dumps([[pair, why.value] for pair, why in exported.derived.left_out]),
            "snapshot": versions.Frozen(exported.collection, exported.settings, exported.pairs).noted(),
        }
        versions.put(connection, row, rows)
        return str(row["id"]), False

    version_id, was_here = store.writing(work)
    with store.reading() as connection:
        return TakenIn(versions.read_version(connection, version_id), was_here)


def same_here(store: Store, exported: Exported) -> list[tuple[Version, Collection]]:
    """The versions of this lab that have the same content, each with its collection, the newest first."""
    with store.reading() as connection:
        same = versions.read_versions(connection, None, versions_table.c.content_hash == exported.content_hash)
        return [(version, read_collection(connection, version.collection)) for version in same]


# ---- reading


def _about(path: Path, name: str) -> dict[str, Any]:
    _inside(path)
    try:
        if path.stat().st_size > MOST_ABOUT_BYTES:
            raise InputError("export_broken", folder=name, why=f"{ABOUT} > {MOST_ABOUT_BYTES // 2**20} MB")
        about = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError("export_no_folder", folder=name)
    return about


def _rows(path: Path) -> list[dict[str, Any]]:
    """Every line. Raises ValueError where one is no row, DatasetError where the file cannot be read."""
    _inside(path)
    rows, broken = read_records(path, most_bytes=MOST_FILE_BYTES)
    if broken is not None:
        raise ValueError(f"{path.name}, line {broken}")
    return rows


def _inside(path: Path) -> None:
    """Raise InputError where a file of an export is a link that leads out of its folder, DatasetError where it is no ordinary file."""
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise InputError("export_link", path=path)
    if path.exists():
        ordinary_file(path)


def _pair(row: dict[str, Any]) -> Pair:
    """A row of ``pairs.jsonl``, as it was. Raises KeyError, TypeError, ValueError where it is none, or another pair has its id."""
    first, second = (Response(text=row[side], source=row[f"{side}_source"]) for side in ("first", "second"))
    values = {"id": row["pair_id"], "prompt": row["prompt"], "first": first, "second": second, "gold": row["gold"]}
    values |= {"own": own} if (own := row.get("own")) else {}
    pair = Pair.model_validate(values)
    if pair != make_pair(pair.prompt, first, second, pair.response(pair.gold) if pair.gold else None, pair.own):
        raise ValueError(f"{PAIRS}: pair_id {pair.id[:40]}")
    return pair


def _fit(pairs: list[Pair], events: list[Event]) -> None:
    """Raises ValueError where a pair or an event is there twice, or an event is of no pair that is there."""
    known = {pair.id for pair in pairs}
    if len(known) < len(pairs) or len({event.id for event in events}) < len(events):
        raise ValueError("the same id twice")
    for event in events:
        if event.pair not in known:
            raise ValueError(f"{JUDGEMENTS}: pair_id {event.pair[:40]}")


def _moment(value: Any) -> float:
    """A time that can be shown. Raises ValueError where it is none."""
    if not isinstance(value, int | float) or not 0 <= value < LATEST:
        raise ValueError(f"created: {str(value)[:40]}")
    return float(value)


def _why(error: Exception) -> str:
    """One line of what was wrong; of pydantic's many, the first with its place."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}".lstrip(": ")[:200]
    text = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
    return (text.splitlines() or [type(error).__name__])[0][:200]


# ---- storing


def _here(connection: Connection, exported: Exported) -> str | None:
    """The id of the version of this lab that is the exported one: the same preferences of the same judgements, frozen at that moment.

    Ids are not compared: an event has another one here where its own was taken.
    """
    v = versions_table.c
    alike = (v.content_hash == exported.content_hash, v.with_gold == exported.with_gold, v.created == exported.frozen)
    theirs = [_content(event) for event in exported.events]
    for version in versions.read_versions(connection, None, *alike):
        ours = [_content(event) for event in stored_events(connection, version.collection, version.through)]
        if ours == theirs:
            return version.id
    return None


def _content(event: Any) -> tuple[Any, ...]:
    """What an event says, of a file or of the table, without the ids of events."""
    return tuple(getattr(event, name) for name in ("pair", "annotator", "kind", "choice", "left", "edited", "time"))


def _put_events(connection: Connection, collection: str, new_events: list[Event]) -> int:
    """Store events in a new collection, and what follows from them; the number of the last. Ids that are taken here become others."""
    taken = set(connection.execute(select(judgements_table.c.id)).scalars())
    ids = {event.id: str(uuid5(UUID(event.id), collection)) if event.id in taken else event.id for event in new_events}
    rows = [
        event.model_dump(mode="json")
        | {"collection": collection, "id": ids[event.id], "supersedes": ids.get(event.supersedes or "")}
        for event in new_events
    ]
    if rows:
        connection.execute(insert(judgements_table), rows)
    zero = {"judged": 0, "skipped": 0, "in_open": 0, "given": 0, "seconds": 0.0}
    judged = {event.annotator for event in new_events if event.kind == JUDGEMENT}
    people = [{"collection": collection, "annotator": person, "name": person} | zero for person in judged]
    if people:
        connection.execute(insert(annotators_table), people)
    rebuild_collection(connection, collection)
    last = select(judgements_table.c.number).where(judgements_table.c.collection == collection)
    return connection.execute(last.order_by(judgements_table.c.number.desc()).limit(1)).scalar() or 0


def _free_id(connection: Connection, wanted: str) -> str:
    """The version's own id where nobody here has it, else a new one."""
    free = (
        valid_run_id(wanted)
        and connection.execute(select(versions_table.c.id).where(versions_table.c.id == wanted)).first() is None
    )
    return wanted if free else new_run_id(time.time())
