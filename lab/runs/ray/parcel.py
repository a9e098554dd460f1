"""The files that a run needs on another machine, each named by the hash of its content, and the paths that change on the way.

The sender makes a ``Parcel``; ``agent.py`` keeps the contents in its cache and lays them out as a home. Paths stand in a few JSON files (a recipe's
data, an adapter's base): they are translated there and back. Not here: which files a recipe needs (``needs.py``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME, CODE = "{home}", "{code}"
"""What stands in a parcel for the folders that only the receiver knows."""
TRANSLATED = frozenset(
    {"recipe.json", "adapter_config.json", "config.json", "result.json", "notes.json", "before.json"}
)
"""The JSON files in which a path may stand."""
PIECE = 8 << 20
"""Bytes that are sent or read at once."""

Paths = Sequence[tuple[str, str]]
"""Pairs of a path and what stands for it; of two that fit, the first counts."""


@dataclass(frozen=True)
class Entry:
    """One file: where it belongs below the receiver's home, and its content."""

    place: str
    sha256: str
    size: int
    own: bool = False
    """A file that the run will change: it gets a copy of its own, others share the cached one."""


@dataclass(frozen=True)
class Parcel:
    """All files of a run, and the paths that are others at the receiver's."""

    run: str
    entries: tuple[Entry, ...]
    paths: tuple[tuple[str, str], ...]
    trusted_rules: str | None = None
    """The place of the file of trusted rules, where there is one."""

    def as_values(self) -> dict[str, Any]:
        """Plain values, for sending."""
        entries = [[entry.place, entry.sha256, entry.size, entry.own] for entry in self.entries]
        return {"run": self.run, "entries": entries, "paths": list(self.paths), "trusted_rules": self.trusted_rules}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Parcel:
        """The parcel of those values. Raises ValueError for a place outside the home or a name that is no hash."""
        entries = tuple(Entry(*entry) for entry in values["entries"])
        for entry in entries:
            if Path(entry.place).is_absolute() or ".." in Path(entry.place).parts or not is_hash(entry.sha256):
                raise ValueError(f"not a place below a home: {entry.place!r}, {entry.sha256!r}")
        return cls(values["run"], entries, tuple((a, b) for a, b in values["paths"]), values["trusted_rules"])


def is_hash(text: str) -> bool:
    """Whether this is a SHA-256 in hexadecimal."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def hash_of(path: Path) -> str:
    """The SHA-256 of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def translated(content: bytes, paths: Paths) -> bytes:
    """A JSON text in which every value that is one of the paths, or begins with one, has the other path in its place.

    Returned as it is where nothing of it is to be translated.
    """
    if not any(path.encode() in content for path, _ in paths):
        return content
    value = json.loads(content)
    changed = _translated(value, paths)
    return content if changed == value else json.dumps(changed, ensure_ascii=False).encode()


def _translated(value: Any, paths: Paths) -> Any:
    if isinstance(value, str):
        for path, other in paths:
            if value == path or value.startswith((f"{path}/", f"{path}?")):
                return other + value[len(path) :]
        return value
    if isinstance(value, dict):
        return {key: _translated(item, paths) for key, item in value.items()}
    return [_translated(item, paths) for item in value] if isinstance(value, list) else value
