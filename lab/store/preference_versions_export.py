"""A frozen version as a folder, and such a folder as a version again; the file that training reads; the way to the Hub.

``preferences.jsonl`` and ``.parquet`` are in trl's form (``prompt, chosen, rejected``, text or messages). Beside them lies all that they
rest on: ``pairs.jsonl``, ``judgements.jsonl`` (every event), ``version.json`` (rule, hash, settings), and ``README.md``, the card
(``preference_versions_card.py``). Annotators appear by their id; their names stay here.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select

from lab.core.preferences import Choice, Derivation, Judgement, Pair
from lab.data.datasets import content_hash
from lab.data.pair_rows import find_pairs
from lab.data.rows import read_rows as read_file
from lab.data.writing import write_rows
from lab.errors import InputError, MachineError
from lab.store import preference_versions as versions
from lab.store.annotation_quality import quality
from lab.store.annotation_tables import annotators_table, current_table, judgements_table, versions_table
from lab.store.judgements import JUDGEMENT, UNDO, current_judgements, events
from lab.store.lines import read_json
from lab.store.pairs import (
    AT_ONCE,
    Collection,
    add_pairs,
    new_collection,
    read_collection,
    read_pairs,
    recount,
    settings_from,
)
from lab.store.preference_versions import Version
from lab.store.preference_versions_card import card
from lab.store.runs import Store, new_run_id, valid_run_id

FORMAT = 1
EVENT_COLUMNS = (
    "id",
    "kind",
    "annotator",
    "choice",
    "left",
    "strength",
    "reason",
    "seconds",
    "edited",
    "supersedes",
    "time",
)


def version_file(store: Store, version_id: str) -> Path:
    """``preferences.jsonl`` of a version, which training reads; written where it is missing. Raises ``no_such_version``."""
    with store.reading() as connection:
        version = versions.read_version(connection, version_id)
    folder = store.home / "exports" / version.id
    if not (folder / "preferences.jsonl").is_file():
        _write(store, version, folder)
    return folder / "preferences.jsonl"


def export(store: Store, version_id: str, folder: Path) -> Path:
    """Write a version into a folder that is empty or not there; the folder. Raises InputError, MachineError."""
    with store.reading() as connection:
        version = versions.read_version(connection, version_id)
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("export_not_empty", folder=folder)
    _write(store, version, folder)
    return folder


def push(store: Store, version_id: str, repository: str, *, private: bool = True, token: str | None = None) -> str:
    """Send a version to the Hub as a dataset; its address there. Raises InputError without a token, MachineError where it fails."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    token = token or os.environ.get("HF_TOKEN") or get_token()
    if not token:
        raise InputError("hub_no_token")
    folder = version_file(store, version_id).parent
    hub = HfApi(token=token, endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        hub.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository, repo_type="dataset", folder_path=folder, commit_message=f"Preferences {version_id}"
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        why = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise MachineError("hub_push_refused", value=repository, why=why) from error
    return f"{hub.endpoint}/datasets/{repository}"


def import_export(store: Store, folder: Path) -> Version:
    """A folder that ``export`` wrote, as a collection and a version with the same content. Raises InputError where it is none, or
    was changed since."""
    folder = folder.expanduser().absolute()
    about = read_json(folder / "version.json")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError("export_no_folder", folder=folder)
    try:
        pairs = [pair for _, pair in find_pairs(read_file(folder / "pairs.jsonl")).pairs]
        told = [_event(row) for row in read_file(folder / "judgements.jsonl").rows]
        rule = Derivation.model_validate(about["rule"])
        settings = settings_from(about["collection"]["settings"])
        name, with_gold = str(about["collection"]["name"]), bool(about["with_gold"])
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise InputError("export_broken", folder=folder, why=str(error).splitlines()[0][:200]) from error

    def work(connection: Connection) -> Version:
        with connection.begin_nested():  # what follows is undone where the content turns out to be another one
            collection = new_collection(connection, name, settings)
            add_pairs(connection, collection, settings.seed or 0, pairs)
            through = _put_events(connection, collection, told)
            found = versions.derived(connection, collection, rule, with_gold)
            rows = versions.rows_of(found)
            if content_hash(rows) != about.get("content_hash"):
                raise InputError("export_changed", folder=folder)
            row = _free_id(connection, str(about.get("id"))) | {
                "collection": collection,
                "name": str(about.get("name") or name)[:120],
                "created": time.time(),
                "rule": rule.model_dump_json(),
                "with_gold": with_gold,
                "through": through,
                "content_hash": content_hash(rows),
                "preferences": len(rows),
                "left_out": json.dumps([[pair, why.value] for pair, why in found.left_out]),
            }
            versions.put(connection, row, rows)
        return versions.read_version(connection, row["id"])

    version = store.writing(work)
    version_file(store, version.id)
    return version


def _write(store: Store, version: Version, folder: Path) -> None:
    """The whole folder at once: it is made beside its place, then renamed."""
    with store.reading() as connection:
        collection = read_collection(connection, version.collection)
        pairs = read_pairs(connection, version.collection)
        judged = [_told(row) for row in events(connection, version.collection, version.through)]
        rows = versions.read_rows(connection, version.id)
        found = quality(connection, version.collection, version.through)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        draft.mkdir(parents=True)
        for suffix in (".jsonl", ".parquet"):
            write_rows(draft / f"preferences{suffix}", rows)
        write_rows(draft / "pairs.jsonl", [_pair_row(pair) for pair in pairs])
        write_rows(draft / "judgements.jsonl", judged)
        about = json.dumps(_about(version, collection), ensure_ascii=False, indent=2)
        (draft / "version.json").write_text(about + "\n", encoding="utf-8")
        (draft / "README.md").write_text(card(version, collection, found), encoding="utf-8")
        with suppress(FileNotFoundError):
            folder.rmdir()
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / "preferences.jsonl").is_file():  # somebody else wrote the same meanwhile
                raise
    except OSError as error:
        raise MachineError("export_cannot_write", folder=folder, why=error.strerror or type(error).__name__) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _about(version: Version, collection: Collection) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": version.id,
        "name": version.name,
        "created": version.created,
        "rule": version.rule.model_dump(mode="json"),
        "with_gold": version.with_gold,
        "content_hash": version.content_hash,
        "preferences": version.preferences,
        "left_out": [[pair, why.value] for pair, why in version.left_out],
        "collection": {"name": collection.name, "settings": collection.settings.model_dump(mode="json")},
    }


def _pair_row(pair: Pair) -> dict[str, Any]:
    prompt = pair.prompt if isinstance(pair.prompt, str) else [message.model_dump() for message in pair.prompt]
    return {
        "pair_id": pair.id,
        "prompt": prompt,
        "first": pair.first.text,
        "second": pair.second.text,
        "first_source": pair.first.source,
        "second_source": pair.second.source,
        "gold": pair.gold.value if pair.gold else None,
    }


def _told(row: Any) -> dict[str, Any]:
    return {"pair_id": row.pair} | {name: getattr(row, name) for name in EVENT_COLUMNS}


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A row of ``judgements.jsonl`` as an event. Raises ValueError where it is none."""
    kind = row["kind"]
    if kind == JUDGEMENT:
        Judgement(
            uuid=row["id"],
            pair_id=row["pair_id"],
            annotator=row["annotator"],
            choice=row["choice"],
            left=row["left"],
            strength=row["strength"],
            reason=row["reason"],
            duration=row["seconds"],
            edited=row["edited"],
        )
    elif kind != UNDO:
        raise ValueError(f"kind: {kind}")
    return {name: row[name] for name in EVENT_COLUMNS} | {"pair": row["pair_id"]}


def _put_events(connection: Connection, collection: str, told: list[dict[str, Any]]) -> int:
    """Store events in a new collection, and what follows from them; the number of the last. Ids that are taken here get a suffix."""
    taken = set(connection.execute(select(judgements_table.c.id)).scalars())
    ids = {event["id"]: _other_id(event["id"], collection) if event["id"] in taken else event["id"] for event in told}
    rows = [
        event | {"collection": collection, "id": ids[event["id"]], "supersedes": ids.get(event["supersedes"])}
        for event in told
    ]
    for start in range(0, len(rows), AT_ONCE):
        connection.execute(insert(judgements_table), rows[start : start + AT_ONCE])
    current = [
        {"collection": collection, "pair": one.pair_id, "annotator": one.annotator, "judgement": str(one.uuid)}
        | {"choice": Choice(one.choice).value}
        for one in current_judgements(connection, collection)
    ]
    if current:
        connection.execute(insert(current_table), current)
    zero = {"judged": 0, "skipped": 0, "in_open": 0, "given": 0, "seconds": 0.0}
    people = [
        {"collection": collection, "annotator": one, "name": one} | zero for one in {row["annotator"] for row in rows}
    ]
    if people:
        connection.execute(insert(annotators_table), people)
    recount(connection, collection)
    last = select(judgements_table.c.number).where(judgements_table.c.collection == collection)
    return connection.execute(last.order_by(judgements_table.c.number.desc()).limit(1)).scalar() or 0


def _other_id(event_id: str, collection: str) -> str:
    return str(uuid5(UUID(event_id), collection))


def _free_id(connection: Connection, wanted: str) -> dict[str, Any]:
    """The version's own id where nobody here has it, else a new one."""
    free = (
        valid_run_id(wanted)
        and connection.execute(select(versions_table.c.id).where(versions_table.c.id == wanted)).first() is None
    )
    return {"id": wanted if free else new_run_id(time.time())}
