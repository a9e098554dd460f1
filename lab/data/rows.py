"""Read rows from a file: JSON lines, a JSON array, CSV, Parquet. ``forms.py`` interprets the columns.

A broken file raises an error with the place. A value that is no row (a number, too many cells) is left out and reported with its line.
Files are read as streams: all rows at once for training, or in batches, so that a large file is never in memory whole. Writing is
``writing.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from lab.core.notes import Note
from lab.data import csv_rows, json_rows, parquet_rows
from lab.data.left_out import LeftOut
from lab.data.source import OTHER_KINDS, PACKED, Source
from lab.errors import DatasetError

Record = tuple[int, dict[str, Any]] | LeftOut

READERS: dict[str, Callable[[Source], Iterator[Record]]] = {
    **dict.fromkeys(json_rows.SUFFIXES, json_rows.records),
    **dict.fromkeys(csv_rows.SUFFIXES, csv_rows.records),
    **dict.fromkeys(parquet_rows.SUFFIXES, parquet_rows.records),
}
KINDS = tuple(READERS)
SUFFIXES = (*KINDS, *(kind + packed for kind in KINDS for packed in PACKED))
"""How the names of files end that can be read."""

MOST_BYTES = 2 * 2**30
"""A larger file is refused before it is read."""
MOST_COLUMNS = 1000
BATCH = 2000


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
    mapped: frozenset[str] = frozenset()
    """The lab's names that a mapping gave to columns."""
    more: bool = False
    """Whether these are some rows of a file, so that it is no error where none of them can be used."""
    share: float = 1.0
    """How much of the file was read so far, from 0 to 1."""

    @property
    def numbered(self) -> list[tuple[int, dict[str, Any]]]:
        """Each row with the line on which it begins."""
        return list(zip(self.lines or range(1, len(self.rows) + 1), self.rows, strict=True))


def read_rows(path: Path, *, most_bytes: int = MOST_BYTES) -> Rows:
    """Read a file by its suffix. Text is UTF-8, or what ``encodings.py`` recognises, which is noted.

    Raises DatasetError: no such file, no regular file, another kind of file, too large, no text, broken (with the place), no rows.
    """
    source = _source(path, most_bytes)
    columns: dict[str, None] = {}
    rows, lines, left_out = _taken(source, READERS[source.kind](source), columns)
    if not rows:
        raise DatasetError("dataset_empty", path=path)
    return Rows(path, rows, tuple(columns), source.content_hash, left_out, lines, source.notes)


def read_batches(path: Path, size: int = BATCH, *, most_bytes: int = MOST_BYTES) -> Iterator[Rows]:
    """The same rows, at most ``size`` of them at a time, so that a large file is never in memory whole.

    Each batch has the columns that were seen so far, its own ``lines`` and ``left_out``; the hash is that of the file. Raises as
    ``read_rows`` does, while it is read.
    """
    source = _source(path, most_bytes)
    columns: dict[str, None] = {}
    records = READERS[source.kind](source)
    empty = True
    while True:
        rows, lines, left_out = _taken(source, islice(records, size), columns)
        if not rows and not left_out:
            break
        empty = empty and not rows
        batch = Rows(path, rows, tuple(columns), source.content_hash, left_out, lines, source.notes)
        yield replace(batch, more=True, share=source.share)
    if empty:
        raise DatasetError("dataset_empty", path=path)


def _taken(
    source: Source, records: Iterator[Record], columns: dict[str, None]
) -> tuple[list[dict[str, Any]], list[int], list[LeftOut]]:
    """``(rows, lines, left out)`` of some records; their columns join those that were seen before."""
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    left_out: list[LeftOut] = []
    for record in records:
        if isinstance(record, LeftOut):
            left_out.append(record)
            continue
        line, row = record
        if not row.keys() <= columns.keys():
            columns.update(dict.fromkeys(row))
            if len(columns) > MOST_COLUMNS:
                raise DatasetError("dataset_columns_many", path=source.path, most=MOST_COLUMNS)
        lines.append(line)
        rows.append(row)
    return rows, lines, left_out


def _source(path: Path, most_bytes: int) -> Source:
    """The file, with its hash. Raises DatasetError where it is of another kind, or cannot be opened."""
    source = Source(path, most_bytes)
    if source.kind not in READERS:
        other = OTHER_KINDS.get(source.kind)
        raise DatasetError(other or "dataset_kind", path=path, known=", ".join(KINDS))
    source.hashed()
    return source
