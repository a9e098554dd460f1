"""Reading rows: what is given back, and one clear error for each way in which a file can be wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.rows import read_rows
from lab.errors import DatasetError

TWO = [{"prompt": "Solve 2x = 4", "answer": "2"}, {"prompt": "解方程：3x = 9", "answer": "3", "note": "\u2028"}]
LINES = '{"prompt": "Solve 2x = 4", "answer": "2"}\n{"prompt": "解方程：3x = 9", "answer": "3", "note": "\u2028"}\n'


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.jsonl", "\ufeff" + LINES),
        ("a.jsonl", LINES.replace("\n", "\r\n")),
        ("a.jsonl", "\n" + LINES.replace("\n", "\n\n").rstrip()),
        ("a.json", "[" + LINES.strip().replace("\n", ",\n") + "]"),
        ("a.json", "\ufeff\n [" + LINES.strip().replace("\n", ",") + "]\n"),
        ("a.JSON", LINES),
    ],
)
def test_reads_every_form(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path, name, content)
    rows = read_rows(path)
    assert rows.rows == TWO
    assert rows.columns == ("prompt", "answer", "note")
    assert rows.left_out == []
    assert rows.content_hash == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_rows_that_are_no_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "a.jsonl", '{"prompt": "a"}\n5\n"text"\n[1]\nnull\n{"prompt": "b"}\n'))
    assert [row["prompt"] for row in rows.rows] == ["a", "b"]
    assert rows.lines == [1, 6]
    assert rows.left_out == [
        LeftOut(2, WhyLeftOut.NOT_AN_OBJECT, "number"),
        LeftOut(3, WhyLeftOut.NOT_AN_OBJECT, "string"),
        LeftOut(4, WhyLeftOut.NOT_AN_OBJECT, "array"),
        LeftOut(5, WhyLeftOut.NOT_AN_OBJECT, "null"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "key", "params"),
    [
        ("a.jsonl", LINES + '{"prompt": \n', "dataset_broken_json", {"line": 3}),
        ("a.json", '[{"prompt": "a"},\n{"prompt": }]', "dataset_broken_json", {"line": 2, "column": 12}),
        ("a.json", '{\n "data": [\n {]\n}', "dataset_broken_json", {"line": 3}),
        ("a.jsonl", "[" * 100_000, "dataset_broken_json", {"line": 1}),
        ("a.jsonl", "1" * 10_000, "dataset_broken_json", {"line": 1}),
        ("a.jsonl", LINES.encode() + b'{"prompt": "\xff"}\n', "dataset_not_utf8", {"line": 3}),
        ("a.jsonl", LINES.encode("utf-16")[:-1], "dataset_not_utf8", {"line": 2}),
        ("a.json", b'[\n{"prompt": "\xff"}]', "dataset_not_utf8", {"line": 2}),
        ("a.jsonl", "", "dataset_empty", {}),
        ("a.json", "", "dataset_empty", {}),
        ("a.json", "[]", "dataset_empty", {}),
        ("a.jsonl", "\n \n", "dataset_empty", {}),
        ("a.jsonl", "\n5\n", "dataset_no_objects", {"line": 2, "found": "number"}),
        ("a.json", '{\n"data": []}', "dataset_no_objects", {"found": "one object"}),
        ("a.json", '"text"', "dataset_no_objects", {"found": "one string"}),
        ("a.txt", LINES, "dataset_kind", {"known": ".jsonl, .json, .csv, .tsv, .parquet"}),
    ],
)
def test_errors_name_the_place(
    tmp_path: Path, name: str, content: str | bytes, key: str, params: dict[str, object]
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DatasetError) as caught:
        read_rows(path)
    assert caught.value.key == key
    assert caught.value.params["path"] == path
    assert params.items() <= caught.value.params.items()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / "none.jsonl")
    assert caught.value.key == "dataset_missing"
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / "folder.jsonl")
    assert caught.value.key == "dataset_unreadable"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", LINES)
    with pytest.raises(DatasetError) as caught:
        read_rows(path, most_bytes=20)
    assert caught.value.key == "dataset_too_large"
