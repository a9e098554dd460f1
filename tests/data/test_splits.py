"""A file whose rows belong to several splits: training reads the training split, and what is left out is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.core.recipes import parse
from lab.data.columns import with_columns
from lab.data.datasets import Dataset, load, rows_of_file
from lab.data.left_out import WhyLeftOut
from lab.data.rows import Rows
from lab.data.splits import training_rows
from lab.errors import DatasetError
from lab.words import say


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


def prompts(found: Rows) -> list[str]:
    return [row["prompt"] for row in found.rows]


@pytest.mark.parametrize(
    ("column", "train", "other"),
    [
        ("split", "train", "test"),
        ("subset", "Training", "validation"),
        ("partition", "train", "dev"),
        ("split", "train_prefs", "test_prefs"),
        ("data_split", "训练集", "测试集"),
        ("is_train", True, False),
        ("is_test", "0", "1"),
        ("held_out", 0, 1),
    ],
)
def test_training_reads_the_training_split_alone_and_counts_the_others(column: str, train: Any, other: Any) -> None:
    taken = training_rows(
        rows({"prompt": "a", column: train}, {"prompt": "b", column: other}, {"prompt": "c", column: train})
    )
    assert prompts(taken) == ["a", "c"] and taken.lines == [1, 3] and taken.columns == ("prompt",)
    ((line, why, detail),) = [(row.line, row.why, row.detail) for row in taken.left_out]
    assert (line, why) == (2, WhyLeftOut.OTHER_SPLIT) and detail.startswith(f"{column}: ")
    for locale in ("en", "zh"):
        assert "FILE?split=" in say(f"left_out.{why}", locale, detail=detail)


@pytest.mark.parametrize(
    "values",
    [("train", "train"), ("test", "test"), ("alpacaeval-easy", "train"), ("physics", "law"), ("", ""), (1, 2)],
)
def test_a_column_that_tells_no_splits_apart_leaves_out_nothing(values: tuple[Any, Any]) -> None:
    read = rows(*({"prompt": str(place), "subset": value} for place, value in enumerate(values)))
    assert training_rows(read) is read


MIXED = [
    {"prompt": f"{split} {place}", "completion": "x", "split": split}
    for split in ("train", "test")
    for place in range(9)
]


def written(folder: Path) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in MIXED), "utf-8")
    return str(folder / "rows.jsonl")


def loaded(dataset: str) -> tuple[Dataset, list[str]]:
    found = load(parse({"algorithm": "sft", "dataset": dataset}))
    return found, [row["prompt"] for row in [*found.train, *found.held_out]]


def test_a_run_never_trains_on_what_the_file_calls_test(tmp_path: Path) -> None:
    found, used = loaded(written(tmp_path))
    assert used and all(prompt.startswith("train") for prompt in used)
    assert [row.why for row in found.left_out] == [WhyLeftOut.OTHER_SPLIT] * 9 and "split" not in found.passed_over


def test_another_split_or_every_row_is_taken_by_its_name(tmp_path: Path) -> None:
    found, used = loaded(f"{written(tmp_path)}?split=test")
    assert used and all(prompt.startswith("test") for prompt in used) and not found.left_out
    assert "split_taken" in [note.key for note in found.notes]
    every, _ = loaded(f"{written(tmp_path)}?split=*")
    assert not every.left_out and {row["prompt"].split()[0] for row in every.train} == {"train", "test"}
    mapped = rows_of_file(f"{written(tmp_path)}?split=test,completion=completion")
    assert len(mapped.rows) == 9 and mapped.lines == list(range(10, 19))


@pytest.mark.parametrize(("split", "key"), [("dev", "dataset_split_none"), ("train", "dataset_split_column")])
def test_a_split_that_is_not_there_is_told(split: str, key: str) -> None:
    read = (
        rows({"prompt": "a", "split": "train"}, {"prompt": "b", "split": "test"})
        if split == "dev"
        else rows({"prompt": "a"})
    )
    with pytest.raises(DatasetError) as caught:
        with_columns(read, {"split": split})
    assert caught.value.key == key
