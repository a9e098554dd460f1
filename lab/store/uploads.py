"""Files that people upload to train on: each in a folder of its own under LAB_HOME/data, with the name that its owner gave it.

A recipe names a file by its path and the chosen columns: ``…/data/upload-ID/rows.jsonl?prompt=question``. ``RowsFile`` reads the file in
a process that can be killed; ``lab/data`` says what the columns mean.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.notes import Note
from lab.data.file_names import typed
from lab.data.left_out import WhyLeftOut
from lab.data.rows import SUFFIXES
from lab.errors import DatasetError, StateError
from lab.sandbox.files import MOST_FILE_BYTES, FileReader, Line, Progress, Reading, ordinary_file
from lab.store.lines import new_folder
from lab.store.runs import RunState, Store, clean_name, new_run_id

ABOUT = "upload.json"
"""In the folder: ``{"name", "file", "columns", "rows", "created"}``; written last."""
PREFIX = "upload-"
_ID = re.compile(r"upload-\d{8}-\d{6}-[a-z0-9]{4}")


@dataclass(frozen=True)
class Seen:
    """The rows that training would read of a file."""

    columns: tuple[str, ...]
    form: str
    rows: list[dict[str, Any]]
    """The first ones, as training reads them."""
    count: int
    total: int
    left_out: list[tuple[WhyLeftOut, str, int]]
    passed_over: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Upload:
    """An uploaded file."""

    id: str
    name: str
    path: Path
    columns: dict[str, str]
    rows: int
    created: float

    @property
    def dataset(self) -> str:
        """What a recipe writes to train on it."""
        return typed(str(self.path), self.columns)


class RowsFile(FileReader):
    """A file that is read before it is stored: iterate over ``read``, then use ``seen``."""

    def __init__(self, path: Path, algorithm: str, columns: Mapping[str, str] | None = None) -> None:
        self.path, self.algorithm = path, algorithm
        self.seen: Seen | None = None
        asked = {"columns": dict(columns or {}), "algorithm": algorithm}
        self._reading = Reading("shape", path, most_bytes=MOST_FILE_BYTES, **asked)

    def read(self) -> Iterator[Progress]:
        """Read the file to its end. Raises DatasetError: it cannot be read, belongs elsewhere, or has nothing for this algorithm."""
        yield from self._read_through(self.path, self._note)

    def _note(self, line: Line) -> None:
        if "shaped" in line:
            self.seen = _seen(line, self.found_columns)


class Uploads:
    """The uploaded files of one LAB_HOME."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.home / "data"

    def all(self) -> list[Upload]:
        """Every one, the newest first."""
        uploads = [_read(folder) for folder in self._folder.glob(f"{PREFIX}*")]
        return sorted((upload for upload in uploads if upload is not None), key=lambda upload: upload.id, reverse=True)

    def one(self, upload_id: str) -> Upload:
        """One. Raises StateError ``no_such_upload``."""
        upload = _read(self._folder / upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None:
            raise StateError("no_such_upload", value=str(upload_id)[:64])
        return upload

    def keep(self, path: Path, name: str, columns: Mapping[str, str], rows: int) -> Upload:
        """Copy a file that was looked at into the lab. Raises DatasetError for what is no file, InputError for the name, MachineError."""
        self._store.require_space()
        ordinary_file(path)
        suffix = next(
            (each for each in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(each)), None
        )
        if suffix is None:
            raise DatasetError("dataset_kind", path=path, known=", ".join(SUFFIXES))
        created = time.time()
        file = f"rows{suffix}"
        about: dict[str, Any] = {"name": clean_name(name or path.name), "file": file, "columns": dict(columns)}
        folder = self._folder / f"{PREFIX}{new_run_id(created)}"
        with new_folder(folder, "upload_cannot_write") as draft:
            shutil.copyfile(path, draft / file)
            about |= {"rows": rows, "created": created}
            (draft / ABOUT).write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        return self.one(folder.name)

    def delete(self, upload_id: str) -> None:
        """Delete one. Raises StateError: no such file, or a run that waits or goes on reads it."""
        upload = self.one(upload_id)
        for run in self._store.in_state(RunState.QUEUED, RunState.RUNNING):
            if str(upload.path) in str(run.recipe.get("dataset", "")):
                raise StateError("upload_in_use", name=upload.name, run=run.name)
        shutil.rmtree(upload.path.parent)


def _read(folder: Path) -> Upload | None:
    """What a folder holds; None where it is none of ours."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        columns = {str(ours): str(theirs) for ours, theirs in about["columns"].items()}
        path = (folder / Path(str(about["file"])).name).absolute()
        return Upload(folder.name, str(about["name"]), path, columns, int(about["rows"]), float(about["created"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _seen(line: Mapping[str, Any], columns: tuple[str, ...]) -> Seen:
    left_out = [(WhyLeftOut(why), detail, count) for why, detail, count in line["left_out"]]
    notes = tuple(Note(key, params) for key, params in line["notes"])
    counts = (line["count"], line["rows"])
    return Seen(columns, line["form"], line["shaped"], *counts, left_out, tuple(line["passed_over"]), notes)
