"""Recognises files of the lab's own that were given to the wrong import, by content and columns; the error says where they belong.

Kinds that hold no rows at all (models, rule sets, backups) are recognised where rows are read.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from lab.errors import DatasetError

EVENTS = {"pair_id", "kind", "annotator", "choice", "left"}
GROUPS = {"step", "group", "completions"}
METRICS = {"step", "loss"}
VERSION = {"format", "rule", "content_hash"}
MOST_MEMBERS = 100
CHUNK = 1 << 20


class SparingFile(io.FileIO):
    """A file that gives at most ``CHUNK`` bytes at once: ``zipfile`` would read a list of a million members whole, and keep it."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As a file does. Raises BadZipFile for more than ``CHUNK`` bytes."""
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > CHUNK:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size) or b""


def check_kind(path: Path) -> None:
    """Raise DatasetError ``kind_export`` for a zip of an exported version."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return
    with suppress(OSError, ValueError, zipfile.BadZipFile), SparingFile(path) as file, zipfile.ZipFile(file) as archive:
        names = {PurePosixPath(name).name for name in archive.namelist()[:MOST_MEMBERS]}
        if "version.json" in names:
            raise DatasetError("kind_export", path=path)


def kind_of_columns(path: Path, columns: Iterable[str]) -> DatasetError | None:
    """The same by the columns of a refused file; None where they do not tell."""
    names = set(columns)
    if names >= EVENTS or names >= VERSION:
        return DatasetError("kind_export", path=path)
    if names >= GROUPS:
        return DatasetError("kind_groups", path=path)
    return DatasetError("kind_metrics", path=path) if names >= METRICS and "prompt" not in names else None
