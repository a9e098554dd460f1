"""The rows of a fetched dataset: its files one after the other, without those that only describe it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.notes import note
from lab.data.hub_rows import SOURCE, is_sidecar, parse_hub, rows_of_hub
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.errors import DatasetError


def fetched(home: Path, files: dict[str, str], **notes: object) -> str:
    name = parse_hub("hub:org/set@train")
    folder = name.folder(home)
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_text(content, "utf-8")
    (folder / SOURCE).write_text(json.dumps({"from": str(name), "files": sorted(files), **notes}))
    return "hub:org/set@train"


def test_files_that_describe_the_rows_are_passed_over_and_named(tmp_path: Path) -> None:
    name = fetched(
        tmp_path,
        {"train.jsonl": '{"prompt": "a"}\n', "dataset_infos.json": '{"default": {"features": {}}}'},
        passed_over=["dataset_info.json"],
    )
    rows = rows_of_hub(name, tmp_path)
    assert rows.rows == [{"prompt": "a"}]
    assert rows.notes == (note("files_passed_over", files="dataset_info.json, dataset_infos.json"),)


def test_lines_go_on_from_one_file_to_the_next(tmp_path: Path) -> None:
    name = fetched(tmp_path, {"a.jsonl": '{"prompt": "a"}\n5\n', "b.jsonl": '6\n{"prompt": "b"}\n'})
    rows = rows_of_hub(name, tmp_path)
    assert rows.lines == [1, 4]
    assert rows.left_out == [
        LeftOut(2, WhyLeftOut.NOT_AN_OBJECT, "number"),
        LeftOut(3, WhyLeftOut.NOT_AN_OBJECT, "number"),
    ]


def test_columns_are_mapped_as_those_of_a_file(tmp_path: Path) -> None:
    name = fetched(tmp_path, {"a.jsonl": '{"prompt": "old", "ask": "new"}\n'})
    rows = rows_of_hub(f"{name}?prompt=ask", tmp_path)
    assert rows.rows == [{"prompt": "new"}] and rows.hidden == ("prompt",)
    with pytest.raises(DatasetError) as caught:
        rows_of_hub(f"{name}?prompt=none", tmp_path)
    assert caught.value.key == "dataset_mapping_column"


@pytest.mark.parametrize(
    ("file", "sidecar"),
    [
        ("dataset_infos.json", True),
        ("data/dataset_info.json", True),
        ("README.md", True),
        ("readme.json", True),
        ("state.json", True),
        ("train.json", False),
        ("data/config.jsonl", False),
    ],
)
def test_sidecars(file: str, sidecar: bool) -> None:
    assert is_sidecar(file) is sidecar
