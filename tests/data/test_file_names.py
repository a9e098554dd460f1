"""A path with its columns, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load, rows_of_file
from lab.data.file_names import parse_file, typed
from lab.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "path", "columns"),
    [
        ("a.csv", "a.csv", {}),
        ("a.csv?prompt=question", "a.csv", {"prompt": "question"}),
        ("a.csv?prompt=question,chosen=best one", "a.csv", {"prompt": "question", "chosen": "best one"}),
        ("a.csv?prompt=q&chosen=b", "a.csv", {"prompt": "q", "chosen": "b"}),
        ("a.csv?prompt=a%2Cb%26c%25", "a.csv", {"prompt": "a,b&c%"}),
        ("数据.csv?prompt=问题", "数据.csv", {"prompt": "问题"}),
        ("what?.csv", "what?.csv", {}),
        ("what?.csv?prompt=q", "what?.csv", {"prompt": "q"}),
    ],
)
def test_parts(name: str, path: str, columns: dict[str, str]) -> None:
    found = parse_file(name)
    assert (str(found.path), dict(found.columns)) == (path, columns)


def test_what_is_typed_is_read_back() -> None:
    columns = {"prompt": "a,b&c%=?", "chosen": "最好的", "rejected": "the worst"}
    assert dict(parse_file(typed("rows.csv", columns)).columns) == columns


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.csv?prompt=", "dataset_mapping"),
        ("a.csv?prompt=q,chosen", "dataset_mapping"),
        ("a.csv?prompt=a,prompt=b", "dataset_mapping_twice"),
    ],
)
def test_a_mapping_that_is_none(name: str, key: str) -> None:
    with pytest.raises(DatasetError) as caught:
        parse_file(name)
    assert caught.value.key == key


def test_a_recipe_names_a_file_with_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "votes?x=1.csv"
    path.write_text("question,prompt,best,worst\nTea?,hidden,Yes.,No.\n")
    assert len(rows_of_file(str(path)).rows) == 1, "a path that exists is a path"
    found = load(parse({"algorithm": "dpo", "dataset": f"{path}?prompt=question,chosen=best,rejected=worst"}))
    (row,) = [*found.train, *found.held_out_pairs]
    assert row == {"prompt": "Tea?", "chosen": "Yes.", "rejected": "No."}
    assert found.passed_over == ("prompt",), "the file's own prompt is hidden by the mapped one, and named"
