"""JSON arrays item by item, and the rows that one object holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.core.notes import note
from lab.data import json_rows
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError

ITEMS: list[Any] = [
    {"prompt": 'a]}[\\" \u2028', "n": 12345678901, "x": [1, {"y": None}]},
    {"prompt": "b" * 50, "n": -1.5e-7, "x": []},
    17,
    "text, with a comma",
    {"prompt": "解", "n": True, "x": {"z": ["\\u0041"]}},
]


def read(folder: Path, content: str) -> Rows:
    path = folder / "rows.json"
    path.write_text(content, "utf-8")
    return read_rows(path)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(json_rows, "CHUNK", chunk)
    rows = read(tmp_path, json.dumps(ITEMS, indent=indent, ensure_ascii=False))
    assert rows.rows == [item for item in ITEMS if isinstance(item, dict)]
    assert [row.line for row in rows.left_out] == [3, 4]
    assert rows.lines == [1, 2, 5]


@pytest.mark.parametrize("chunk", [5, 10_000])
@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('[\n{"a": 1},\n{"a": }\n]', 3, 7),
        ('[{"a": 1}\n{"a": 2}]', 2, 1),
        ('[{"a": 1},\n{"a": 2}', 2, 9),
        ('[{"a": 1}]\nmore', 2, 1),
        ('[{"a": "never closed\n', 1, 21),
        ('[{"a": 1},\n]', 2, 1),
        ('[{"a": 1' + "1" * 9000 + "}]", 1, 2),
    ],
)
def test_what_is_broken_is_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, content: str, line: int, column: int
) -> None:
    monkeypatch.setattr(json_rows, "CHUNK", chunk)
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert caught.value.key == "dataset_broken_json"
    assert (caught.value.params["line"], caught.value.params["column"]) == (line, column)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"version": 1, "data": [{"prompt": "a"}, {"prompt": "b"}]}, "json_list"),
        (
            {"features": [], "rows": [{"row_idx": 0, "row": {"prompt": "a"}}, {"row_idx": 1, "row": {"prompt": "b"}}]},
            "json_list",
        ),
        ({"prompt": ["a", "b"], "n": [1, 2]}, "json_columns"),
        ({"prompt": {"0": "a", "1": "b"}, "n": {"0": 1, "1": 2}}, "json_columns"),
    ],
)
def test_rows_within_one_object_are_found_and_that_is_said(tmp_path: Path, value: dict[str, Any], said: str) -> None:
    rows = read(tmp_path, json.dumps(value, indent=1))
    assert [row["prompt"] for row in rows.rows] == ["a", "b"]
    assert [one.key for one in rows.notes] == [said]


@pytest.mark.parametrize(
    "value", [{"a": [{"b": 1}], "c": [{"d": 1}]}, {"a": 1}, {"a": [1], "b": [1, 2]}, {"a": {"x": 1}, "b": {"y": 1}}]
)
def test_an_object_of_other_kinds_holds_no_rows(tmp_path: Path, value: dict[str, Any]) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, json.dumps(value))
    assert caught.value.key == "dataset_no_objects"


def test_a_note_is_made_once() -> None:
    assert note("json_list", name="data") == note("json_list", name="data")


def test_of_several_lists_the_usual_one_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    rows = read(tmp_path, json.dumps({"train": [{"prompt": "a"}], "test": [{"prompt": "b"}]}))
    assert rows.rows == [{"prompt": "a"}]
    assert rows.notes == (note("json_list", name="train"), note("json_lists_passed", names="test"))


def test_commas_between_lines_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a"},\r\n{"prompt": "b"},\n\n', "utf-8")
    assert [row["prompt"] for row in read_rows(tmp_path / "rows.jsonl").rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "dataset_lfs_pointer"),
        ("<!DOCTYPE html><html></html>", "dataset_web_page"),
    ],
)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_what_is_no_json_at_all_is_named(tmp_path: Path, name: str, content: str, key: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / name)
    assert caught.value.key == key


PRETTY = [json.dumps({"prompt": name, "more": [{"x": 1}, "}\n{"]}, indent=2) for name in ("a", "b", "c")]


@pytest.mark.parametrize("chunk", [3, 10_000])
@pytest.mark.parametrize("between", ["\n", "\n\n", ",\n", " "])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_objects_over_several_lines_one_after_the_other_are_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, between: str, name: str
) -> None:
    monkeypatch.setattr(json_rows, "CHUNK", chunk)
    (tmp_path / name).write_text(between.join(PRETTY) + "\n", "utf-8")
    rows = read_rows(tmp_path / name)
    assert [row["prompt"] for row in rows.rows] == ["a", "b", "c"] and not rows.left_out
    if between == "\n":
        height = PRETTY[0].count("\n") + 1
        assert rows.lines == [1, 1 + height, 1 + 2 * height]


def test_a_broken_one_of_them_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(PRETTY[0] + '\n{\n  "prompt": b\n}\n', "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / "rows.jsonl")
    line = PRETTY[0].count("\n") + 3
    assert (caught.value.key, caught.value.params["line"]) == ("dataset_broken_json", line)


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_and_one_object_are_rows_under_the_name_of_lines_too(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps([{"prompt": "a"}, {"prompt": "b"}], indent=indent), "utf-8")
    assert [row["prompt"] for row in read_rows(path).rows] == ["a", "b"]
    path.write_text(json.dumps({"data": [{"prompt": "a"}]}, indent=1), "utf-8")
    assert read_rows(path).rows == [{"prompt": "a"}]


def test_a_first_line_that_is_broken_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": nothing}\n{"prompt": "b"}\n', "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / "rows.jsonl")
    assert (caught.value.params["line"], caught.value.params["column"]) == (1, 12)
