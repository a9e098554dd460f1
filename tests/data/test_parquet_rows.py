"""Parquet: nested values as lists and dicts, and one clear error for what is none."""

from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.data import parquet_rows
from lab.data.rows import read_rows
from lab.errors import DatasetError


def write(folder: Path, columns: dict[str, list[object]]) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_values_are_what_json_could_hold(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "解方程"}]
    path = write(
        tmp_path,
        {
            "prompt": [messages, None],
            "answer": ["a\u2028b", "="],
            "n": [1, None],
            "when": [datetime.date(2026, 1, 2), None],
            "price": [Decimal("1.50"), None],
            "raw": [b"\xff", None],
        },
    )
    rows = read_rows(path)
    assert rows.rows[0] == {
        "prompt": messages,
        "answer": "a\u2028b",
        "n": 1,
        "when": "2026-01-02",
        "price": "1.50",
        "raw": {"bytes": 1},
    }
    assert rows.rows[1]["prompt"] is None
    assert rows.lines == [1, 2]


def test_more_rows_than_a_batch(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, {"prompt": [str(i) for i in range(3000)]}))
    assert [row["prompt"] for row in rows.rows] == [str(i) for i in range(3000)]


def test_no_parquet_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    for content, key in ((b"PAR1 not at all", "dataset_broken_parquet"), (b"", "dataset_empty")):
        path.write_bytes(content)
        with pytest.raises(DatasetError) as caught:
            read_rows(path)
        assert caught.value.key == key
    with pytest.raises(DatasetError) as caught:
        read_rows(write(tmp_path, {"prompt": []}))
    assert caught.value.key == "dataset_only_header"
    assert caught.value.params["found"] == "prompt"


def test_a_cut_file(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": ["a" * 100]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError) as caught:
        read_rows(path)
    assert caught.value.key == "dataset_broken_parquet"


def test_a_small_file_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"prompt": ["a" * 100_000] * 100})
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(parquet_rows, "MOST_UNPACKED", 1_000_000)
    with pytest.raises(DatasetError) as caught:
        read_rows(path)
    assert caught.value.key == "dataset_unpacks"


def test_reading_json_loads_neither_pyarrow_nor_pandas() -> None:
    code = (
        "import sys, lab.data.rows, lab.data.writing, lab.data.forms; print({'pyarrow', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
