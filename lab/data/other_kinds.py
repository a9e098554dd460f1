"""Files of the lab's own that are brought to the wrong door: what they are, and where the lab takes them. By content and columns.

Kinds that hold no rows at all (models, rule sets, backups) are told apart by ``lab/data``, which reads them.
"""

from __future__ import annotations

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


def check_kind(path: Path) -> None:
    """Raise DatasetError ``kind_export`` for a zip of an exported version."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return
    with suppress(OSError, ValueError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        names = {PurePosixPath(name).name for name in archive.namelist()[:MOST_MEMBERS]}
        if "version.json" in names:
            raise DatasetError("kind_export", path=path)


def kind_of_columns(path: Path, columns: Iterable[str]) -> DatasetError | None:
    """The same told by the columns of a file that was refused; None where they say nothing."""
    found = set(columns)
    if found >= EVENTS or found >= VERSION:
        return DatasetError("kind_export", path=path)
    if found >= GROUPS:
        return DatasetError("kind_groups", path=path)
    return DatasetError("kind_metrics", path=path) if found >= METRICS and "prompt" not in found else None
