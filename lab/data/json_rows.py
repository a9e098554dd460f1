"""Read JSON lines, or one JSON array. Broken JSON stops with the line that it stands in; no other kind of file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.data.left_out import LeftOut, WhyLeftOut
from lab.errors import DatasetError

SUFFIXES = (".jsonl", ".json")


def records(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """``(line, row)`` for each object, what is left out for each other value.

    Raises DatasetError: not UTF-8, broken JSON, or no object at all.
    """
    first: LeftOut | None = None
    found = False
    for line, value in _values(path, content.removeprefix(b"\xef\xbb\xbf")):
        if isinstance(value, dict):
            found = True
            yield line, value
        else:
            left_out = LeftOut(line, WhyLeftOut.NOT_AN_OBJECT, _kind(value))
            first = first or left_out
            yield left_out
    if not found and first is not None:
        raise DatasetError("dataset_no_objects", path=path, line=first.line, found=first.detail)


def _values(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    """``(line, value)`` for each row. A ``.json`` file may hold JSON lines too, as many do."""
    if path.suffix.lower() == ".json" and (whole := _whole(path, content)) is not None:
        if not isinstance(whole, list):
            raise DatasetError("dataset_no_objects", path=path, line=1, found=f"one {_kind(whole)}")
        yield from enumerate(whole, start=1)
        return
    # Only "\n" ends a line: str.splitlines would also cut inside strings, at U+2028 and its like.
    for line, raw in enumerate(content.split(b"\n"), start=1):
        if raw.strip():
            yield line, _parse(path, raw, line)


def _whole(path: Path, content: bytes) -> Any:
    """The value of a file that is one JSON value; None where it is JSON lines, or empty."""
    start = content.lstrip()[:1]
    if not start:
        return None
    if start == b"{":  # one object, or JSON lines under the other name
        first = content.lstrip().split(b"\n", 1)[0]
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return _parse(path, content, 1)
        return None if b"\n" in content.strip() else _parse(path, content, 1)
    return _parse(path, content, 1)


def _parse(path: Path, raw: bytes, line: int) -> Any:
    """One JSON value; the errors name the line of the file."""
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        at = line + raw[: error.start].count(b"\n")
        raise DatasetError("dataset_not_utf8", path=path, line=at) from error
    except json.JSONDecodeError as error:
        at = line + error.lineno - 1
        raise DatasetError("dataset_broken_json", path=path, line=at, column=error.colno, why=error.msg) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise DatasetError("dataset_broken_json", path=path, line=line, column=1, why=type(error).__name__) from error


def _kind(value: object) -> str:
    """What JSON calls a value."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
