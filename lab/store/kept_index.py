"""The index of ``groups.jsonl`` as it is kept beside the file (``groups.index.npz``), so that opening a long run reads no group.

It holds what ``group_index.py`` knows of the file up to a byte. Whether it is of this file is told by the file's beginning and by the bytes
before that place, so that a copied run keeps its index and a file written anew does not. It may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

VERSION = 1
EDGE = 512
"""Bytes at the beginning, and before the end of what is indexed, that tell one file from another."""
NAME = "groups.index.npz"
WHOLE = ("step", "group", "prompt_number", "kept", "size", "start", "end")
SHARES = ("mean", "std")


@dataclass
class Kept:
    """What was kept: rows as columns, the prompts that they count in, and how far the file was read."""

    offset: int
    last_resume: int
    prompts: list[str]
    columns: dict[str, list[Any]]


def read_kept(path: Path) -> Kept | None:
    """The index beside the groups file ``path``; None where there is none, or it is of another file or version."""
    try:
        with np.load(path.with_name(NAME), allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            if about["version"] != VERSION or about["mark"] != _mark(path, about["offset"]):
                return None
            columns = {name: stored[name].tolist() for name in WHOLE}
            columns |= {name: [None if value != value else value for value in stored[name].tolist()] for name in SHARES}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
        return None
    return Kept(about["offset"], about["last_resume"], about["prompts"], columns)


def write_kept(path: Path, kept: Kept) -> None:
    """Keep an index beside the groups file ``path``, by one rename. A full or read-only disk leaves none: it is made again when asked."""
    mark = _mark(path, kept.offset)
    about = {
        "version": VERSION,
        "mark": mark,
        "offset": kept.offset,
        "last_resume": kept.last_resume,
        "prompts": kept.prompts,
    }
    arrays: dict[str, Any] = {name: np.array(kept.columns[name], dtype=np.int64) for name in WHOLE}
    arrays |= {name: np.array(kept.columns[name], dtype=np.float64) for name in SHARES}  # None becomes NaN
    draft = path.with_name(f".{NAME}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            np.savez(file, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays)
        draft.replace(path.with_name(NAME))
    except OSError:
        with suppress(OSError):
            draft.unlink()


def _mark(path: Path, offset: int) -> int:
    """A checksum of the file's beginning and of the bytes before ``offset``. Raises OSError, ValueError where the file is shorter."""
    with path.open("rb") as file:
        begin = file.read(min(EDGE, offset))
        file.seek(max(0, offset - EDGE))
        end = file.read(min(EDGE, offset))
    if len(end) < min(EDGE, offset):
        raise ValueError("the file is shorter than its index")
    return zlib.crc32(end, zlib.crc32(begin))
