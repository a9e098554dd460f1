"""A dataset of the hub by its name, ``hub:org/name/config@split?prompt=question``, and its rows once its files are here.

Config and split may be left out (``default``, ``train``); after ``?`` stand columns, the lab's name first. Paths and rows only:
fetching is ``lab/runs/fetch/hub_data.py``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from lab.core.notes import note
from lab.data.columns import with_columns
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError

HUB = "hub:"
"""Before the name."""

SOURCE = "source.json"
"""In a dataset's folder: ``{"from", "commit", "licence", "files": ["train-0.parquet", …]}``; written last."""

SIDECARS = (
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "config.json", "package.json",
    "metadata.json", "manifest.json", "license.json", "citation.json",
)  # fmt: skip
"""Files that stand beside the rows in many repositories."""

_NAME = re.compile(
    r"(?P<id>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(@(?P<split>[\w.-]+))?(\?(?P<columns>\S+))?", re.ASCII
)


@dataclass(frozen=True)
class HubName:
    """A dataset of the hub: its id, which of its configs and splits, and the columns' names (the lab's → the file's)."""

    id: str
    config: str | None
    split: str
    columns: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Without the columns: what is fetched."""
        return f"{HUB}{self.id}{f'/{self.config}' if self.config else ''}@{self.split}"

    def folder(self, home: Path) -> Path:
        """Where its files lie once they are here."""
        parts = (*self.id.split("/"), self.config or "default", self.split)
        return home / "data" / "--".join(parts)


def parse_hub(dataset: str) -> HubName:
    """The parts of ``hub:…``. Raises DatasetError where it is not of that form."""
    match = _NAME.fullmatch(dataset.removeprefix(HUB))
    if match is None or ".." in dataset:
        raise DatasetError("hub_data_name", value=dataset[:200])
    columns = tuple((name, theirs) for part in (match["columns"] or "").split(",") for name, theirs in parse_qsl(part))
    if bool(match["columns"]) != bool(columns):
        raise DatasetError("hub_data_name", value=dataset[:200])
    return HubName(match["id"], match["config"], match["split"] or "train", columns)


def rows_of_hub(dataset: str, home: Path | None) -> Rows:
    """The rows of a dataset that is here, its columns renamed. Raises DatasetError where it is not, or cannot be read."""
    name = parse_hub(dataset)
    folder = name.folder(home or Path())
    files = source_of(folder).get("files") if home is not None else None
    if not files:
        raise DatasetError("hub_data_not_here", value=str(name))
    rowless = [file for file in files if is_sidecar(file)]
    rowless = rowless if len(rowless) < len(files) else []
    parts = [read_rows(folder / file) for file in files if file not in rowless]
    digest = hashlib.sha256("".join(part.content_hash for part in parts).encode())
    passed_over = [*source_of(folder).get("passed_over", ()), *rowless]
    notes = (note("files_passed_over", files=", ".join(passed_over)),) if passed_over else ()
    before = list(accumulate((len(part.rows) + len(part.left_out) for part in parts), initial=0))
    rows = Rows(
        folder,
        [row for part in parts for row in part.rows],
        tuple(dict.fromkeys(column for part in parts for column in part.columns)),
        parts[0].content_hash if len(parts) == 1 else f"sha256:{digest.hexdigest()}",
        [
            replace(row, line=row.line + count)
            for part, count in zip(parts, before, strict=False)
            for row in part.left_out
        ],
        [line + count for part, count in zip(parts, before, strict=False) for line in part.lines],
        tuple(dict.fromkeys([each for part in parts for each in part.notes] + list(notes))),
    )
    named = replace(rows, path=Path(f"{name}"))
    return with_columns(named, dict(name.columns)) if name.columns else named


def is_sidecar(file: str) -> bool:
    """Whether a file of a dataset's repository describes it, and holds no rows."""
    name = file.rsplit("/", 1)[-1].lower()
    return name in SIDECARS or name.startswith(("dataset_info", "readme"))


def source_of(folder: Path) -> dict[str, Any]:
    """What is noted of a fetched dataset; empty where it is not here."""
    try:
        source = json.loads((folder / SOURCE).read_bytes())
    except (OSError, ValueError):
        return {}
    return source if isinstance(source, dict) else {}
