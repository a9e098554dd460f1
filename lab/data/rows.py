"""Read rows from a file: JSON lines, a JSON array, CSV, Parquet. What the columns mean is ``forms.py``'s affair.

A file that is broken stops with the place; a row that is no row (a number, too many cells) is left out, and counted with its line.
Writing is ``writing.py``'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.data import csv_rows, json_rows, parquet_rows
from lab.data.left_out import LeftOut
from lab.data.notes import Note
from lab.errors import DatasetError

READERS = {
    **dict.fromkeys(json_rows.SUFFIXES, json_rows.records),
    **dict.fromkeys(csv_rows.SUFFIXES, csv_rows.records),
    **dict.fromkeys(parquet_rows.SUFFIXES, parquet_rows.records),
}
SUFFIXES = tuple(READERS)

MOST_BYTES = 2 * 2**30
"""A larger file is refused before it is read."""


@dataclass(frozen=True)
class Rows:
    """The rows of a file, and what was left out of them."""

    path: Path
    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    """Every column that some row has, in the order in which they first appear."""
    content_hash: str
    """``sha256:…`` of the file's bytes."""
    left_out: list[LeftOut]
    """The rows that are none."""
    lines: list[int] = field(default_factory=list)
    """Where each row begins in the file; in an array or in Parquet its place, from 1."""
    notes: tuple[Note, ...] = ()
    """What was assumed while reading."""
    hidden: tuple[str, ...] = ()
    """Columns that a mapping put others in the place of."""
    more: bool = False
    """Whether these are some rows of a file, so that it is no error where none of them can be used."""


def read_rows(path: Path, *, most_bytes: int = MOST_BYTES) -> Rows:
    """Read a file by its suffix. Text is UTF-8, with or without a byte order mark.

    Raises DatasetError: no such file, another kind of file, too large, not UTF-8, broken (with the place), no rows at all.
    """
    content = _content(path, most_bytes)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    found: list[dict[str, Any]] = []
    lines: list[int] = []
    left_out: list[LeftOut] = []
    for record in READERS[path.suffix.lower()](path, content):
        if isinstance(record, LeftOut):
            left_out.append(record)
        else:
            lines.append(record[0])
            found.append(record[1])
    if not found:
        raise DatasetError("dataset_empty", path=path)
    columns = tuple(dict.fromkeys(name for row in found for name in row))
    return Rows(path, found, columns, digest, left_out, lines)


def read_batches(path: Path, size: int = 2000, *, most_bytes: int = MOST_BYTES) -> Iterator[Rows]:
    """The same rows, at most ``size`` of them at a time, so that a large file is never in memory whole.

    Each batch has the columns that were seen so far, its own ``lines`` and ``left_out``; hash and notes are those of the file. Raises
    as ``read_rows`` does, while it is read.
    """
    rows = read_rows(path, most_bytes=most_bytes)
    for first in range(0, len(rows.rows), size):
        left_out = rows.left_out if first == 0 else []
        yield replace(
            rows, rows=rows.rows[first : first + size], lines=rows.lines[first : first + size], left_out=left_out
        )


def _content(path: Path, most_bytes: int) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError("dataset_kind", path=path, known=", ".join(SUFFIXES))
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise DatasetError("dataset_too_large", path=path, size=_megabytes(size), most=_megabytes(most_bytes))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError("dataset_missing", path=path) from error
    except OSError as error:
        raise DatasetError("dataset_unreadable", path=path, reason=error.strerror or type(error).__name__) from error


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}"
