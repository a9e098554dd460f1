"""A frozen version as a folder; the file that training reads; the way to the Hub.

All of it is as it was frozen, whatever came to the collection since. ``preferences.jsonl`` and ``.parquet`` are in trl's form (``prompt,
chosen, rejected``, text or messages). Beside them lies all that they rest on: ``pairs.jsonl``, ``judgements.jsonl`` (every event),
``version.json`` (rule, hash, settings), and ``README.md``, the card (``card.py``). Annotators appear by their id;
their names stay here. Reading such a folder back is ``importing.py``'s.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.annotation.judgements import events
from lab.annotation.quality import quality
from lab.annotation.versions import freeze as versions
from lab.annotation.versions.card import card
from lab.annotation.versions.freeze import Frozen, Version
from lab.core.preferences import Pair, plain_prompt
from lab.data.writing import write_rows
from lab.errors import InputError, MachineError
from lab.store.hub import hub_client, send_folder
from lab.store.runs import Store

FORMAT = 1
EVENT_COLUMNS = (
    "id", "kind", "annotator", "choice", "left", "strength", "reason", "seconds", "edited", "supersedes", "time",
    "revealed",
)  # fmt: skip


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
    """Send a version to the Hub as a dataset; its address there.

    Raises InputError without a token, MachineError where the Hub refuses it or does not answer.
    """
    hub, how = hub_client(token), {"private": private, "repo_type": "dataset"}
    folder, message = version_file(store, version_id).parent, f"Preferences {version_id}"
    send_folder(hub, folder, repository, message, unreachable="hub_push_unreachable", **how)
    return f"{hub.endpoint}/datasets/{repository}"


def _write(store: Store, version: Version, folder: Path) -> None:
    """The whole folder at once: it is made beside its place, then renamed."""
    with store.reading() as connection:
        collection = versions.read_frozen(connection, version)
        judged = [_told(row) for row in events(connection, version.collection, version.through)]
        rows = versions.read_rows(connection, version.id)
        measured = quality(connection, version.collection, version.through)
        edits = versions.edits_of(connection, version)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        draft.mkdir(parents=True)
        for suffix in (".jsonl", ".parquet"):
            write_rows(draft / f"preferences{suffix}", rows)
        write_rows(draft / "pairs.jsonl", [_pair_row(pair) for pair in collection.pairs])
        write_rows(draft / "judgements.jsonl", judged)
        about = json.dumps(_about(version, collection), ensure_ascii=False, indent=2)
        (draft / "version.json").write_text(about + "\n", encoding="utf-8")
        (draft / "README.md").write_text(card(version, collection, measured, edits), encoding="utf-8")
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


def _about(version: Version, collection: Frozen) -> dict[str, Any]:
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
    return {
        "pair_id": pair.id,
        "prompt": plain_prompt(pair.prompt),
        "first": pair.first.text,
        "second": pair.second.text,
        "first_source": pair.first.source,
        "second_source": pair.second.source,
        "gold": pair.gold.value if pair.gold else None,
        **({"own": pair.own} if pair.own else {}),
    }


def _told(row: Any) -> dict[str, Any]:
    return {"pair_id": row.pair} | {name: getattr(row, name) for name in EVENT_COLUMNS}
