"""Reads a file of pairs as the page does, to its end, and stores it. Not a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.annotation.pairs_file import Preview
from lab.annotation.sources import Imported


def preview_file(annotation: Annotation, path: Path | str, **reading: Any) -> Preview:
    """What an import would store; ``reading`` goes to ``pairs_file``."""
    with annotation.pairs_file(path, **reading) as file:
        list(file.read())
        return file.preview()


def import_file(
    annotation: Annotation,
    path: Path | str,
    *,
    name: str = "",
    settings: CollectionSettings | None = None,
    into: str | None = None,
    **reading: Any,
) -> Imported:
    """Import the pairs of a file."""
    with annotation.pairs_file(path, keep=True, **reading) as file:
        list(file.read())
        return annotation.take_file(file, name=name, settings=settings, into=into)
