"""Read rows from a file: JSON lines, or one JSON array. What the columns mean is ``forms.py``'s affair.

Broken JSON stops with the line that it stands in; a row that is no object is left out, and counted with its line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import DatasetError

SUFFIXES = (".jsonl", ".json")


@dataclass(frozen=True)
class Rows:
    """The rows of a file, and what was left out of them."""

    path: Path
    rows: list[dict[str, Any]]
    columns: tuple[str, ...]
    """Every column that some row has, in the order in which they first appear."""
    content_hash: str
    """``sha256:…`` of the file's bytes."""
    left_out: list[tuple[int, str]]
    """``(line, reason)`` of the rows that are no objects; for an array the line is the row's place in it, from 1."""


def read_rows(path: Path) -> Rows:
    """Read a ``.jsonl`` or ``.json`` file in UTF-8, with or without a byte order mark.

    Raises DatasetError: no such file, another kind of file, not UTF-8, broken JSON (with the line), no rows at all.
    """
    content = _content(path)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    found: list[dict[str, Any]] = []
    left_out: list[tuple[int, str]] = []
    for line, value in _values(path, content.removeprefix(b"\xef\xbb\xbf")):
        if isinstance(value, dict):
            found.append(value)
        else:
            left_out.append((line, f"{_kind(value)}, not an object"))
    if not found:
        if left_out:
            line, reason = left_out[0]
            raise DatasetError("dataset_no_objects", path=path, line=line, found=reason.partition(",")[0])
        raise DatasetError("dataset_empty", path=path)
    columns = tuple(dict.fromkeys(name for row in found for name in row))
    return Rows(path, found, columns, digest, left_out)


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError("dataset_kind", path=path, known=", ".join(SUFFIXES))
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError("dataset_missing", path=path) from error
    except OSError as error:
        raise DatasetError("dataset_unreadable", path=path, reason=error.strerror or type(error).__name__) from error


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
