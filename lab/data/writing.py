"""Write rows as JSON lines, CSV or Parquet, so that ``rows.py`` reads the same rows back. No opinion on columns.

CSV is for spreadsheets: with a byte order mark, and with an apostrophe before what would be taken for a formula, for a cell may
hold what a stranger wrote. In CSV everything comes back as text, and a missing value as an empty one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.data.csv_rows import FORMULA, QUOTED_FORMULA
from lab.errors import DatasetError

Table = Sequence[Mapping[str, Any]]

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def write_rows(path: Path, rows: Table) -> None:
    """Write rows by the path's suffix: ``.jsonl``, ``.csv`` or ``.parquet``."""
    path.write_bytes(as_bytes(rows, path.suffix.lower(), path))


def as_bytes(rows: Table, suffix: str, path: Path | None = None) -> bytes:
    """The content of such a file. Raises DatasetError where the suffix is another one."""
    makers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if suffix not in makers:
        raise DatasetError("dataset_kind", path=path or suffix, known=", ".join(makers))
    return makers[suffix](rows)


def columns_of(rows: Table) -> list[str]:
    """Every column that some row has, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def safe_cell(value: Any) -> str:
    """A value as a CSV cell: messages as JSON, what looks like a formula behind an apostrophe, numbers as they are."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
    text = text.encode("utf-8", "replace").decode("utf-8")
    if NUMBER.fullmatch(text) or not (FORMULA.match(text) or QUOTED_FORMULA.match(text)):
        return text
    return f"'{text}"


def _jsonl(rows: Table) -> bytes:
    lines = [json.dumps(dict(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    return "".join(lines).encode("utf-8", "replace")


def _csv(rows: Table) -> bytes:
    names = columns_of(rows)
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([safe_cell(name) for name in names])
    writer.writerows([safe_cell(row.get(name)) for name in names] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def _parquet(rows: Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: [row.get(name) for row in rows] for name in columns_of(rows)})
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
