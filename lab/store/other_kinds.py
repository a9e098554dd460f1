"""Files that are brought to the wrong door: what they are, and where the lab takes them. By name, first bytes and columns alone."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.errors import DatasetError

MODELS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx")
RULES = (".toml", ".py")
EVENTS = {"pair_id", "kind", "annotator", "choice", "left"}
GROUPS = {"step", "group", "completions"}
METRICS = {"step", "loss"}


def check_kind(path: Path) -> None:
    """Raise DatasetError ``kind_…`` where a file is of a kind that another place of the lab takes."""
    name = path.name.lower()
    if name.endswith(MODELS):
        raise DatasetError("kind_model", path=path)
    if name.endswith(RULES):
        raise DatasetError("kind_rules", path=path)
    if path.is_file() and _is_archive(path):
        raise DatasetError("kind_backup" if tarfile.is_tarfile(path) else "kind_export", path=path)


def kind_of_columns(path: Path, columns: Iterable[str]) -> DatasetError | None:
    """The same told by the columns of a file that was refused; None where they say nothing."""
    found = set(columns)
    if {"format", "rule", "content_hash"} <= found or found >= EVENTS:
        return DatasetError("kind_export", path=path)
    if found >= GROUPS:
        return DatasetError("kind_groups", path=path)
    return DatasetError("kind_metrics", path=path) if found >= METRICS and "prompt" not in found else None


def _is_archive(path: Path) -> bool:
    """Whether it is a zip with an export in it, or a tar."""
    with suppress(OSError, zipfile.BadZipFile, ValueError):
        if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            return True
        return path.name.lower().endswith((".tar", ".tar.gz", ".tgz")) and tarfile.is_tarfile(path)
    return False
