"""A file by its path, with its columns renamed: ``FILE?prompt=question,chosen=best``. What is read of it is ``rows.py``'s.

The lab's name stands first, the file's after ``=``. A name with a comma, ``?``, ``&`` or ``%`` in it is written with ``%2C`` and its like.
A path that exists as it stands is a path, whatever characters it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from lab.errors import DatasetError

KEPT = " ()[]{}:;!@$^*'\"/\\|<>~`–—"
"""Characters of a column's name that are written as they are."""


@dataclass(frozen=True)
class FileName:
    """A path, and the lab's name of a column → the file's."""

    path: Path
    columns: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """As it is typed."""
        return typed(str(self.path), dict(self.columns))


def parse_file(name: str) -> FileName:
    """The parts of ``FILE?prompt=question``. Raises DatasetError where what follows ``?`` is no mapping."""
    path = Path(name).expanduser()
    head, mark, tail = name.rpartition("?")
    if not mark or "=" not in tail or _exists(path):
        return FileName(path)
    return FileName(Path(head).expanduser(), parse_columns(tail, name))


def parse_columns(text: str, whole: str = "") -> tuple[tuple[str, str], ...]:
    """``prompt=question,chosen=best`` as pairs. Raises DatasetError ``dataset_mapping`` where a part is none, or a name comes twice."""
    pairs = []
    for part in text.replace("&", ",").split(","):
        ours, mark, theirs = part.partition("=")
        if not mark or not ours.strip() or not theirs.strip():
            raise DatasetError("dataset_mapping", value=(whole or text)[:200], part=part[:80])
        pairs.append((unquote(ours.strip()), unquote(theirs.strip())))
    names = [ours for ours, _ in pairs]
    twice = next((ours for ours in names if names.count(ours) > 1), None)
    if twice is not None:
        raise DatasetError("dataset_mapping_twice", value=(whole or text)[:200], name=twice)
    return tuple(pairs)


def typed(name: str, columns: Mapping[str, str]) -> str:
    """The name of a file or of a dataset with its columns, as it is typed; the same without any."""
    parts = [
        f"{ours}={quote(theirs, safe=KEPT)}" if theirs.isascii() else f"{ours}={theirs}"
        for ours, theirs in columns.items()
    ]
    return name + ("?" + ",".join(parts) if parts else "")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
