"""What is written is read back, and a spreadsheet computes nothing of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.data.rows import read_rows
from lab.data.writing import as_bytes, safe_cell, write_rows
from lab.errors import DatasetError

MESSAGES = [{"role": "user", "content": '解方程 \u2028 "3x"'}]
ROWS: list[dict[str, Any]] = [
    {"prompt": MESSAGES, "chosen": "=1+1", "rejected": "- a\n- b", "n_votes": 3},
    {"prompt": MESSAGES, "chosen": "'=1", "rejected": "-5", "n_votes": 1, "note": "x"},
]

cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)
awkward = st.lists(st.sampled_from([*"=+-@'\"\t\r\n,;＝ａ1a[{"]), min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(path, ROWS)
    expected = [dict(row) for row in ROWS]
    if suffix == ".parquet":
        expected[0]["note"] = None
    if suffix == ".csv":
        expected = [{name: row.get(name, "") for name in (*ROWS[0], "note")} for row in ROWS]
        expected = [row | {"n_votes": str(row["n_votes"])} for row in expected]
    assert read_rows(path).rows == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells | awkward, cells | awkward), min_size=1, max_size=8))
def test_any_text_survives_csv(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    path = tmp_path / "rows.csv"
    rows = [{"prompt": one, "answer": other} for one, other in pairs if one.strip() or other.strip()]
    if rows:
        write_rows(path, rows)
        assert read_rows(path).rows == rows


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "－ A1", "'=1", " =1", "\u3000+A1"]
)
def test_formulas_are_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-5", "+3", "-1.5e-3", "x = 5", "", "'tis", 7, -7, 0.5])
def test_numbers_and_words_are_not(value: object) -> None:
    assert safe_cell(value) == str(value)


def test_a_spreadsheet_gets_a_mark_and_quoted_names() -> None:
    content = as_bytes([{"=name": "a"}], ".csv")
    assert content.startswith(b"\xef\xbb\xbf")
    assert next(csv.reader(content.decode("utf-8-sig").splitlines())) == ["'=name"]


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        write_rows(tmp_path / "rows.xlsx", ROWS)
    assert caught.value.key == "dataset_kind"
