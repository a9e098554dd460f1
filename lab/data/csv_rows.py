"""Read CSV as spreadsheets write it: a header, then rows; commas, semicolons or tabs; quoted cells may hold new lines.

Every cell is text, as it stands: ``007``, ``NA`` and ``=1+1`` are data and are neither converted nor computed. Two things that
``writing.py`` does are undone: the apostrophe before what a spreadsheet would take for a formula, and messages as JSON in a cell.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lab.core.notes import note
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.source import Source
from lab.data.turns import unpacked
from lab.errors import DatasetError

SUFFIXES = (".csv", ".tsv")
DELIMITERS = (",", ";", "\t")
LONGEST_CELL = 64 * 2**20
LOOKED_AT = 50
"""So many rows decide which delimiter it is, as far as they stand in the head."""
HEAD = 2**18
"""Characters of the head."""
SEPARATOR_LINE = re.compile(r"\"?sep=([^\r\n])\"?\r?\n", re.IGNORECASE)

FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")
"""What a spreadsheet may take for the start of a formula, behind blanks too; the wide forms are those of East Asian ones."""
QUOTED_FORMULA = re.compile(f"'+(?:{FORMULA.pattern})")
MESSAGES = re.compile(r'\[\s*\{\s*"')


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """``(line, row)`` for each row under the header; short ones are filled up with empty cells, blank lines passed over.

    Raises DatasetError: no text, a quotation mark that is never closed, the same column twice.
    """
    path = source.path
    delimiter, skipped = _delimiter(source)
    with source.text() as file:
        for _ in range(skipped):
            file.readline()
        rows = _rows(path, file, delimiter, skipped)
        try:
            _, header = next(rows)
        except StopIteration:
            return
        names = [_unquoted(name.strip()) for name in header]
        twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
        if twice is not None:
            raise DatasetError("dataset_column_twice", path=path, column=twice)
        empty = True
        for line, cells in rows:
            empty = False
            if any(cells[len(names) :]):
                yield LeftOut(line, WhyLeftOut.TOO_MANY_CELLS, str(len(cells)))
                continue
            cells += [""] * (len(names) - len(cells))
            yield line, {name: _cell(cell) for name, cell in zip(names, cells, strict=False) if name}
        if empty:
            raise DatasetError("dataset_only_header", path=path, found=", ".join(names))


def _rows(path: Path, file: Iterable[str], delimiter: str, before: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins; ``before`` lines stand before them."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError("dataset_broken_csv", path=path, line=line, why=str(error)) from error
        if any(cell.strip() for cell in cells):
            yield line, cells


def _delimiter(source: Source) -> tuple[str, int]:
    """``(delimiter, lines before the header)``.

    A first line ``sep=;`` says it, as Excel writes it. Else it is the one that splits the most of the first rows as it splits the
    header, into the most columns.
    """
    with source.text() as file:
        head = file.read(HEAD)
    whole = len(head) < HEAD
    match = SEPARATOR_LINE.match(head)
    if match:
        source.notes = (*source.notes, note("delimiter_line", delimiter=match[1].replace("\t", "Tab")))
        return match[1], 1
    return max(DELIMITERS, key=lambda delimiter: _fit(head, delimiter, whole)), 0


def _fit(head: str, delimiter: str, whole: bool) -> tuple[bool, float, int]:
    """How well a delimiter fits: more than one column at all, the share of rows as wide as the header, the columns.

    Where ``head`` is not the whole file, its last row may be cut off, and is no evidence.
    """
    widths: list[int] = []
    try:
        for _, cells in islice(_rows(Path(), io.StringIO(head, newline=""), delimiter), LOOKED_AT):
            widths.append(len(cells))
    except DatasetError:
        if whole:
            return False, 0.0, 0
    if not widths or widths[0] < 2:
        return False, 0.0, 0
    return True, sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _cell(cell: str) -> Any:
    return _messages(cell) if MESSAGES.match(cell) else _unquoted(cell)


def _unquoted(cell: str) -> str:
    return cell[1:] if QUOTED_FORMULA.match(cell) else cell


def _messages(cell: str) -> Any:
    """A cell that holds a JSON list of messages, as that list; any other text as it stands."""
    items = unpacked(cell)
    keys = ({"role", "content"}, {"from", "value"})
    are_messages = all(isinstance(item, dict) and any(wanted <= item.keys() for wanted in keys) for item in items)
    return items if are_messages else cell
