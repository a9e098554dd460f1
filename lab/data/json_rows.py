"""Read JSON lines, or one JSON array, row by row, so that a large file is never in memory whole. Broken JSON stops with its line.

What a file holds is told by its content, not by its name: lines, an array, objects over several lines one after the other; or one object
with the rows in it: a list under a name (``{"data": […]}``), or
the columns one by one, as pandas writes them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.core.notes import note
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.source import Source
from lab.errors import DatasetError

SUFFIXES = (".jsonl", ".json")
LONGEST_LINE = 128 * 2**20
"""Characters of one row; a longer line is no row."""
CHUNK = 2**20
LISTS = ("train", "rows", "data")
"""Names of the list that is read where a file's one object has several."""
NO_JSON = {"version https://git-lfs": "dataset_lfs_pointer", "<": "dataset_web_page"}
"""What a file begins with that is only named like one of JSON, and the error that says so."""
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """``(line, row)`` for each object, what is left out for each other value.

    Raises DatasetError: no text, broken JSON, or no object at all.
    """
    first: LeftOut | None = None
    any_object = False
    for line, value in _values(source):
        if isinstance(value, dict):
            any_object = True
            yield line, value
        else:
            left_out = LeftOut(line, WhyLeftOut.NOT_AN_OBJECT, _kind(value))
            first = first or left_out
            yield left_out
    if not any_object and first is not None:
        raise DatasetError("dataset_no_objects", path=source.path, line=first.line, found=first.detail)


def _values(source: Source) -> Iterator[tuple[int, Any]]:
    """``(line, value)`` for each row; of an array its place, from 1."""
    start = _first_character(source)
    lines = start not in ("", "[", "{") and source.kind == ".jsonl"
    with source.text() as file:
        if not start or lines or (start in "[{" and _is_lines(source)):
            yield from _lines(source, file)
        elif start == "[":
            yield from _array_items(source.path, file)
        elif start == "{":
            yield from _objects(source, file)
        else:
            yield from _of_one_value(source, _parse(source.path, file.read(), 1))


def _lines(source: Source, file: IO[str]) -> Iterator[tuple[int, Any]]:
    # Only "\n" ends a line: str.splitlines would also cut inside strings, at U+2028 and its like.
    line = 0
    while raw := file.readline(LONGEST_LINE):
        line += 1
        if len(raw) == LONGEST_LINE:
            raise _broken(source.path, line, 1, f"a line of more than {LONGEST_LINE:,} characters")
        if raw.strip():
            yield line, _parse(source.path, raw.rstrip().removesuffix(","), line)


def _objects(source: Source, file: IO[str]) -> Iterator[tuple[int, Any]]:
    """Objects over several lines, one after the other, with or without a comma between; where there is but one, the rows within it."""
    window = _Window(source.path, file)
    line, value = window.line(), window.value()
    if not window.peek():
        yield from _of_one_value(source, value)
        return
    yield line, value
    while window.peek():
        if window.peek() == ",":
            window.expect(",")
            if not window.peek():
                return
        line = window.line()
        yield line, window.value()


def _first_character(source: Source) -> str:
    """The first character that is no blank; empty where there is none."""
    with source.text() as file:
        while piece := file.read(4096):
            if start := piece.lstrip()[:1]:
                return start
    return ""


def _is_lines(source: Source) -> bool:
    """Whether the first line that is not blank is a value of its own, and more follows it; of a ``.jsonl`` also where no more does, and
    where it is broken, so that its line is told."""
    with source.text() as file:
        line = ""
        while not line.strip() and (line := file.readline(LONGEST_LINE)):
            pass
        of_lines = source.kind == ".jsonl"
        try:
            value = json.loads(line.strip().removesuffix(","))
        except (ValueError, RecursionError):
            return of_lines and len(line.strip()) > 1 and not _continues(source, line)
        return (of_lines and isinstance(value, dict)) or bool(file.read(4096).strip())


def _continues(source: Source, line: str) -> bool:
    """Whether a first line that is no value of its own is the begin of one over several lines, rather than a broken one."""
    window = _Window(source.path, io.StringIO(line))
    try:
        window.value()
    except DatasetError:
        return window.cut_off
    return True


def _of_one_value(source: Source, value: Any) -> Iterator[tuple[int, Any]]:
    """The rows within a file's one object. Raises DatasetError where it has none."""
    if isinstance(value, dict):
        rules = value.get("rules")
        if "algorithm" in value or (
            rules and isinstance(rules, list) and all(isinstance(rule, dict) and "name" in rule for rule in rules)
        ):
            raise DatasetError("dataset_kind_toml", path=source.path)
        lists = [name for name, part in value.items() if isinstance(part, list) and part and isinstance(part[0], dict)]
        usual = [name for name in LISTS if name in lists] or (lists if len(lists) == 1 else [])
        if usual:
            name = usual[0]
            more = ", ".join(each for each in lists if each != name)
            further = [note("json_lists_passed", names=more)] if more else []
            source.notes = (*source.notes, note("json_list", name=name), *further)
            wrapped = all(isinstance(row, dict) and isinstance(row.get("row"), dict) for row in value[name])
            yield from enumerate((row["row"] for row in value[name]) if wrapped else value[name], start=1)
            return
        if (columns := _columns(value)) is not None:
            source.notes = (*source.notes, note("json_columns"))
            yield from enumerate(columns, start=1)
            return
    raise DatasetError("dataset_no_objects", path=source.path, line=1, found=f"one {_kind(value)}")


def _columns(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of an object whose values are columns of one length: lists, or pandas' ``{"0": …, "1": …}``; None where it is none."""
    columns = list(value.values())
    if len(columns) < 2 or not columns[0]:
        return None
    listed = all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)
    if listed and not all(isinstance(column[0], dict) for column in columns):  # else these are several lists of rows
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    keyed = all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns)
    if keyed and all(key.isdigit() for key in columns[0]):
        return [{name: value[name][key] for name in value} for key in columns[0]]
    return None


def _parse(path: Path, raw: str, line: int) -> Any:
    """One JSON value; the errors name the line of the file."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        if line == 1 and (key := next((key for start, key in NO_JSON.items() if raw.lstrip().startswith(start)), None)):
            raise DatasetError(key, path=path) from error
        raise _broken(path, line + error.lineno - 1, error.colno, error.msg) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise _broken(path, line, 1, type(error).__name__) from error


def _kind(value: object) -> str:
    """What JSON calls a value."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _array_items(path: Path, file: IO[str]) -> Iterator[tuple[int, Any]]:
    """``(place, item)…`` from 1, of a file that begins with ``[``. Raises DatasetError with the line where it is broken."""
    window = _Window(path, file)
    window.expect("[")
    if window.peek() == "]":
        window.expect("]")
    else:
        place = 0
        while True:
            place += 1
            yield place, window.value()
            if window.peek() != ",":
                window.expect("]", "Expecting ',' delimiter")
                break
            window.expect(",")
    if window.peek():
        raise window.broken("Extra data", window.at)


def _broken(path: Path, line: int, column: int, why: str) -> DatasetError:
    """Broken JSON, with its place."""
    return DatasetError("dataset_broken_json", path=path, line=line, column=column, why=why)


class _Window:
    """A piece of the file that moves along it."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self.file = file
        self.text = ""
        self.at = 0
        self.ended = False
        self.lines = 0
        """The ends of lines before the window."""
        self.cut_off = False
        """Whether the last value could not be read because the file ended within it."""
        self.before = 0
        """The characters of the window's first line that stand before it."""

    def more(self) -> bool:
        """Move on to what is not used yet, and read a further piece, longer than what is there. False at the end of the file."""
        piece = "" if self.ended else self.file.read(max(CHUNK, len(self.text) - self.at))
        if not piece:
            self.ended = True
            return False
        used = self.text[: self.at]
        self.lines += used.count("\n")
        self.before = len(used) - used.rfind("\n") - 1 if "\n" in used else self.before + len(used)
        self.text, self.at = self.text[self.at :] + piece, 0
        return True

    def line(self) -> int:
        """The line of the next value, from 1."""
        self.peek()
        return self.lines + self.text[: self.at].count("\n") + 1

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def expect(self, character: str, why: str = "") -> None:
        """Step over a character. Raises DatasetError where another one stands there."""
        if self.peek() != character:
            raise self.broken(why or f"Expecting '{character}'", self.at)
        self.at += 1

    def value(self) -> Any:
        """The next value. What looks broken may only be cut off: then more is read first."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut_off = error.pos >= len(self.text) - 8 or error.msg.startswith(("Unterminated", "Invalid \\"))
                if cut_off and self.more():
                    continue
                self.cut_off = cut_off
                raise self.broken(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
                raise self.broken(type(error).__name__, self.at) from error
            if end < len(self.text) or not self.more():  # a number at the end of the piece may go on
                self.at = end
                return value

    def broken(self, why: str, at: int) -> DatasetError:
        """Broken JSON at a character of the window."""
        before = self.text[:at]
        column = at - before.rfind("\n") if "\n" in before else self.before + at + 1
        return _broken(self.path, self.lines + before.count("\n") + 1, column, why)
