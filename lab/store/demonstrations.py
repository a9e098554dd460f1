"""Answers that somebody kept as demonstrations: rows of messages that SFT reads, in a file among the uploaded ones.

It is the one file of LAB_HOME/data that grows. A run notes the hash of the rows that it was started with. Not here: what messages mean to training
(``lab/data``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import MachineError
from lab.store.lines import append_line, new_folder, read_json, read_lines, write_json
from lab.store.runs import Store, clean_name, new_run_id
from lab.store.uploads import ABOUT, PREFIX

KEPT_BY = "play"
"""What marks the file's ``upload.json``."""
ROWS = "rows.jsonl"
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Demonstrations:
    """The file: what a recipe calls it, its name, and how many rows it has."""

    dataset: str
    name: str
    rows: int


def demonstrations(store: Store) -> Demonstrations | None:
    """The file as it is now; None before the first row is kept."""
    folder = _folder(store)
    return _read(folder) if folder else None


def keep_demonstration(store: Store, messages: Sequence[dict[str, Any]], *, name: str) -> tuple[Demonstrations, bool]:
    """Keep a conversation that ends with the answer to imitate; whether it was new. ``name`` is the file's, where it is made now.

    Raises MachineError where the disk is full or cannot be written.
    """
    row = {"messages": list(messages)}
    with _LOCK:
        try:
            folder = _folder(store) or _make(store, name)
            new = all(line != row for _start, _end, line in read_lines(folder / ROWS))
            if new:
                append_line(folder / ROWS, row)
                about = read_json(folder / ABOUT)
                write_json(folder / ABOUT, {**about, "rows": int(about["rows"]) + 1})
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise MachineError("upload_cannot_write", path=store.home / "data", why=why) from error
        return _read(folder), new


def _folder(store: Store) -> Path | None:
    for folder in sorted((store.home / "data").glob(f"{PREFIX}*")):
        about = read_json(folder / ABOUT)
        if isinstance(about, dict) and about.get("kept_by") == KEPT_BY:
            return folder
    return None


def _make(store: Store, name: str) -> Path:
    created = time.time()
    folder = store.home / "data" / f"{PREFIX}{new_run_id(created)}"
    about = {"name": clean_name(name), "file": ROWS, "columns": {}, "rows": 0, "created": created, "kept_by": KEPT_BY}
    with new_folder(folder, "upload_cannot_write") as draft:
        (draft / ROWS).touch()
        (draft / ABOUT).write_text(json.dumps(about, ensure_ascii=False), "utf-8")
    return folder


def _read(folder: Path) -> Demonstrations:
    about = read_json(folder / ABOUT)
    return Demonstrations(str((folder / ROWS).absolute()), str(about["name"]), int(about["rows"]))
