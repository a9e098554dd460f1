"""Lines of JSON on disk: append one whole, read from a byte offset, replace a small file at once.

Not here: what the lines mean (``run_folder.py``). One process appends to a file, any number read it. A reader ignores
the last line while it has no newline, and skips a line that is no JSON: the rest of a write that a full disk or a kill
cut short.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.errors import MachineError

CHUNK = 1 << 20
Line = dict[str, Any]


def append_line(path: Path, line: Line) -> None:
    """Append ``line`` with one write. Raises MachineError ``disk_full``, and then leaves no half line behind."""
    data = dump(line) + b"\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(file).st_size
        if size and _byte_at(file, size - 1) != b"\n":
            data = b"\n" + data  # a killed writer left half a line: end it, readers skip it
        try:
            written = os.write(file, data)
        except OSError as error:
            raise _full_or_same(error, path) from error
        if written != len(data):
            with suppress(OSError):
                os.ftruncate(file, size)
            raise MachineError("disk_full", path=path.parent)
    finally:
        os.close(file)


def write_json(path: Path, value: object, *, durable: bool = True) -> None:
    """Replace ``path`` at once: a reader sees the old file or the new one. ``durable`` also waits for the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with draft.open("wb") as file:
            file.write(dump(value))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise _full_or_same(error, path) from error


def write_first(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file that may be there already: the first one's stays, and a reader sees it whole or not at all. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    draft.unlink(missing_ok=True)  # of a process that was killed and had this number
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # no links on this file system
            if not path.exists():
                draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path, error_key: str) -> Iterator[Path]:
    """A folder that is there whole or not at all: fill the one that is given. Raises MachineError ``error_key`` where it cannot be written."""
    draft = folder.with_name(f".{folder.name}")
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.rename(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise MachineError(error_key, path=folder.parent, why=error.strerror or type(error).__name__) from error


def read_json(path: Path) -> Any:
    """The content of ``path``, or None where it is missing or no JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def is_number(value: object) -> bool:
    """Whether a value of a line is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_list_of_objects(value: object) -> bool:
    """Whether a value of a line is a list of JSON objects."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def read_lines(path: Path, since: int = 0) -> Iterator[tuple[int, int, Line]]:
    """Each whole line from byte ``since`` on, as (start, end, object); ``end`` is where the next one begins.

    ``since`` must be the start of a line. A line that is no JSON object is passed over.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(since)
        rest, start = b"", since
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for data in whole:
                end = start + len(data) + 1
                with suppress(ValueError, RecursionError):
                    line = json.loads(data)
                    if isinstance(line, dict):
                        yield start, end, line
                start = end


def dump(value: object) -> bytes:
    """Strict JSON in UTF-8. NaN and the infinities have no place in it and become null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _byte_at(file: int, offset: int) -> bytes:
    os.lseek(file, offset, os.SEEK_SET)  # O_APPEND still writes at the end
    return os.read(file, 1)


def _full_or_same(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError("disk_full", path=path.parent)
    return error
