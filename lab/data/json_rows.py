"""Read JSON lines, or one JSON array, row by row. Broken JSON stops with the line that it stands in; no other kind of file.

A ``.json`` file may hold JSON lines too, as many do; or one object with the rows in it: a list under a name (``{"data": […]}``), or
the columns one by one, as pandas writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.data.json_array import array_items, broken
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.notes import note
from lab.data.source import Source
from lab.errors import DatasetError

SUFFIXES = (".jsonl", ".json")
LONGEST_LINE = 128 * 2**20
"""Characters of one row; a longer line is no row."""


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """``(line, row)`` for each object, what is left out for each other value.

    Raises DatasetError: no text, broken JSON, or no object at all.
    """
    first: LeftOut | None = None
    found = False
    for line, value in _values(source):
        if isinstance(value, dict):
            found = True
            yield line, value
        else:
            left_out = LeftOut(line, WhyLeftOut.NOT_AN_OBJECT, _kind(value))
            first = first or left_out
            yield left_out
    if not found and first is not None:
        raise DatasetError("dataset_no_objects", path=source.path, line=first.line, found=first.detail)


def _values(source: Source) -> Iterator[tuple[int, Any]]:
    """``(line, value)`` for each row."""
    start = _first_character(source) if source.kind == ".json" else ""
    with source.text() as file:
        if start == "[":
            yield from array_items(source.path, file)
            return
        if start and not (start == "{" and _is_lines(source)):
            yield from _of_one_value(source, file)
            return
        # Only "\n" ends a line: str.splitlines would also cut inside strings, at U+2028 and its like.
        line = 0
        while raw := file.readline(LONGEST_LINE):
            line += 1
            if len(raw) == LONGEST_LINE:
                raise broken(source.path, line, 1, f"a line of more than {LONGEST_LINE:,} characters")
            if raw.strip():
                yield line, _parse(source.path, raw.removesuffix("\n"), line)


def _first_character(source: Source) -> str:
    """The first character that is no blank; empty where there is none."""
    with source.text() as file:
        while piece := file.read(4096):
            if start := piece.lstrip()[:1]:
                return start
    return ""


def _is_lines(source: Source) -> bool:
    """Whether the first line that is not blank is a value of its own, and more follows it."""
    with source.text() as file:
        line = ""
        while not line.strip() and (line := file.readline(LONGEST_LINE)):
            pass
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return False
        return bool(file.read(4096).strip())


def _of_one_value(source: Source, file: IO[str]) -> Iterator[tuple[int, Any]]:
    """The rows within a file's one object. Raises DatasetError where it has none."""
    value = _parse(source.path, file.read(), 1)
    if isinstance(value, dict):
        rules = value.get("rules")
        if "algorithm" in value or (
            rules and isinstance(rules, list) and all(isinstance(one, dict) and "name" in one for one in rules)
        ):
            raise DatasetError("dataset_kind_toml", path=source.path)
        lists = [name for name, part in value.items() if isinstance(part, list) and part and isinstance(part[0], dict)]
        if len(lists) == 1:
            source.notes = (*source.notes, note("json_list", name=lists[0]))
            wrapped = all(isinstance(row, dict) and isinstance(row.get("row"), dict) for row in value[lists[0]])
            yield from enumerate((row["row"] for row in value[lists[0]]) if wrapped else value[lists[0]], start=1)
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
        raise broken(path, line + error.lineno - 1, error.colno, error.msg) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise broken(path, line, 1, type(error).__name__) from error


def _kind(value: object) -> str:
    """What JSON calls a value."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
