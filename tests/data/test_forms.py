"""The known forms, and what is said of rows that fit none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.data.forms import shape_completions, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.recognition import Form
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError
from lab.rules.mathematics import equals_answer

GSM8K = {
    "question": "Natalia sold clips to 48 friends in April, and half as many in May. How many in all?",
    "answer": "She sold 48/2 = <<48/2=24>>24 in May.\nShe sold 48+24 = <<48+24=72>>72 in all.\n#### 1,072",
}


def rows(folder: Path, *values: dict[str, Any]) -> Rows:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return read_rows(path)


def test_problems(tmp_path: Path) -> None:
    read = rows(tmp_path, {"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": 2}, {"prompt": "c", "level": 3})
    assert shape_prompts(read).rows == [
        {"prompt": "a", "answer": "1"},
        {"prompt": "b", "answer": "2"},
        {"prompt": "c"},
    ]


def test_demonstrations(tmp_path: Path) -> None:
    read = rows(tmp_path, {"prompt": "a", "completion": "x = 1"})
    assert shape_completions(read).rows == [{"prompt": "a", "completion": "x = 1"}]
    assert shape_prompts(read).rows == [{"prompt": "a"}]


def test_gsm8k(tmp_path: Path) -> None:
    read = rows(tmp_path, GSM8K)
    assert shape_prompts(read).rows == [{"prompt": GSM8K["question"], "answer": "1072"}]
    assert shape_completions(read).rows == [
        {"prompt": GSM8K["question"], "completion": GSM8K["answer"], "answer": "1072"}
    ]
    assert equals_answer(GSM8K["question"], GSM8K["answer"], shape_prompts(read).rows[0]["answer"]) == 1.0


def test_alpaca(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        {"instruction": "翻译成英文", "input": "你好", "output": "Hello"},
        {"instruction": "Say hello.", "input": "", "output": "Hello"},
        {"instruction": "Say hello.", "output": "Hello"},
        {"instruction": "And now?", "output": "Hello", "history": [["a", "b"]]},
        {"instruction": "Say hello.", "output": ""},
    )
    shaped = shape_completions(read)
    assert shaped.form is Form.ALPACA
    assert shaped.rows == [
        {"prompt": "翻译成英文\n你好", "completion": "Hello"},
        {"prompt": "Say hello.", "completion": "Hello"},
        {"prompt": "Say hello.", "completion": "Hello"},
        {
            "prompt": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "And now?"},
            ],
            "completion": "Hello",
        },
    ]
    assert shaped.left_out == [LeftOut(5, WhyLeftOut.EMPTY, "output")]


def test_messages_of_one_turn_are_text(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
    )
    assert shape_completions(read).rows == [{"prompt": "a", "completion": "b"}]


def test_questions_without_answers_are_prompts(tmp_path: Path) -> None:
    assert shape_prompts(rows(tmp_path, {"question": "a"})).rows == [{"prompt": "a"}]


def test_empty_rows_are_left_out(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        {"prompt": "a", "completion": "b"},
        {"prompt": " ", "completion": "b"},
        {"prompt": "a", "completion": ""},
        {"prompt": "a", "completion": None},
        {"prompt": ["a"], "completion": "b"},
        {},
    )
    assert shape_completions(read).rows == [{"prompt": "a", "completion": "b"}]
    assert len(shape_prompts(read).rows) == 3


def test_a_number_that_is_none_is_a_missing_cell(tmp_path: Path) -> None:
    nan = float("nan")
    read = rows(
        tmp_path,
        {"prompt": "a", "completion": "b", "answer": nan},
        {"prompt": "a", "completion": nan},
        {"prompt": nan, "completion": "b"},
    )
    shaped = shape_completions(read)
    assert shaped.rows == [{"prompt": "a", "completion": "b"}]
    assert {(row.line, row.why, row.detail) for row in shaped.left_out} == {
        (2, WhyLeftOut.MISSING, "completion"),
        (3, WhyLeftOut.MISSING, "prompt"),
    }


def test_lone_surrogates_become_something_that_a_tokenizer_takes(tmp_path: Path) -> None:
    read = rows(tmp_path, {"prompt": "a\ud800", "completion": "b"})
    assert shape_completions(read).rows[0]["prompt"] == "a?"


@pytest.mark.parametrize(
    ("row", "function", "missing"),
    [
        ({"text": "a", "label": 1}, shape_prompts, "prompt"),
        ({"text": "a", "label": 1}, shape_completions, "prompt"),
        ({"prompt": "a", "answer": "1"}, shape_completions, "completion"),
        ({"question": "a"}, shape_completions, "prompt"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, row: dict[str, Any], function: Any, missing: str) -> None:
    read = rows(tmp_path, row)
    with pytest.raises(DatasetError) as caught:
        function(read)
    assert caught.value.key == "dataset_columns"
    assert caught.value.params["missing"] == missing
    assert caught.value.params["found"] == ", ".join(row)


@pytest.mark.parametrize("function", [shape_prompts, shape_completions])
def test_all_empty_is_an_error(tmp_path: Path, function: Any) -> None:
    read = rows(tmp_path, {"prompt": "", "completion": ""}, {"prompt": " ", "completion": "x"})
    with pytest.raises(DatasetError) as caught:
        function(read)
    assert caught.value.key == "dataset_all_empty"
    assert caught.value.params["count"] == 2
