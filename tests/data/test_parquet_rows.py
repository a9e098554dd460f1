"""Parquet: nested values as lists and dicts, and one clear error for what is none."""

from __future__ import annotations

import datetime
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.data import parquet_rows, source
from lab.data.forms import shape_completions, shape_prompts
from lab.data.preference_forms import shape_preferences
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


def test_no_thread_of_arrow_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that still held it when Python ends would abort the process, after all its work was done."""
    path = write(tmp_path, {"prompt": [str(i) for i in range(3000)], "n": [*range(2999), None]})
    readers = set()
    counted = source._Counted.readinto

    def noted(self: Any, buffer: Any) -> int:
        readers.add(threading.get_ident())
        return counted(self, buffer)

    monkeypatch.setattr(source._Counted, "readinto", noted)
    read_rows(path)
    assert readers == {threading.get_ident()}


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


def user(content: str) -> dict[str, object]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, object]:
    return {"role": "assistant", "content": content}


FORMS: dict[str, list[dict[str, object]]] = {
    "messages": [
        {"messages": [user("a"), assistant("b")]},
        {"messages": [user("a"), assistant("b") | {"weight": 0}]},
        {"messages": [user("a"), assistant("b") | {"reasoning_content": "hm"}]},
        {"messages": [user("a")]},
        {"messages": None},
    ],
    "parts": [
        {"messages": [user("x") | {"content": [{"type": "text", "text": "a"}]}, assistant("x") | {"content": [{"type": "text", "text": "b"}]}]},
        {"messages": [user("x") | {"content": [{"type": "image_url", "image_url": {"url": "u"}}]}, assistant("x") | {"content": [{"type": "text", "text": "b"}]}]},
    ],
    "keys of two forms": [
        {"messages": [user("a"), assistant("b")]},
        {"messages": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    ],
    "ranked": [{"prompt": "p", "responses": ["a", "b", "c"], "scores": [1.0, 2.5, None]}, {"prompt": "q", "responses": ["a", "b"], "scores": None}],
    "ranked objects": [{"instruction": "p", "completions": [{"response": "a", "overall_score": 1.0}, {"response": "b", "overall_score": 2.0}]}],
    "best": [{"prompt": "p", "answers": ["a", "b"], "best": 0}, {"prompt": "q", "answers": ["a", "b"], "best": 1}, {"prompt": "r", "answers": ["a", "b"], "best": None}],
    "kto": [{"prompt": "p", "completion": "a", "label": True}, {"prompt": "p", "completion": "b", "label": False}, {"prompt": "p", "completion": "c", "label": None}],
    "hh": [{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"}],
    "options": [{"question": "q", "choices": ["a", "b"], "answer": 1}, {"question": "q", "choices": ["a", "b"], "answer": None}, {"question": "q", "choices": ["a"], "answer": 0}],
    "numbers": [{"prompt": "p", "chosen": 4, "rejected": 5}, {"prompt": "q", "chosen": 4, "rejected": None}],
    "votes": [{"prompt": "p", "response_1": "x", "response_2": "y", "winner": 1}, {"prompt": "q", "response_1": "x", "response_2": "y", "winner": 2}, {"prompt": "r", "response_1": "x", "response_2": "y", "winner": None}],
    "within": [{"prompt": [user("p")], "reward_model": {"ground_truth": "3", "style": "rule"}}],
}  # fmt: skip


def told(path: Path) -> list[object]:
    """What each use of a file gives: its rows and reasons, or the key of its refusal."""
    rows, results = read_rows(path), []
    for use in (shape_completions, shape_preferences, lambda rows: shape_prompts(rows, conversations=True)):
        try:
            shaped = use(rows)
        except DatasetError as error:
            results.append((error.key, error.params.get("reasons")))
            continue
        results.append((shaped.rows, shaped.left_out, shaped.passed_over, shaped.notes))
    return results


def as_arrow(rows: list[dict[str, object]], path: Path) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in columns}), path)


def as_pandas(rows: list[dict[str, object]], path: Path) -> None:
    import pandas as pd

    pd.DataFrame(rows).to_parquet(path)


def as_large_dictionaries(rows: list[dict[str, object]], path: Path) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    cells = [
        column.cast(pa.large_string()).dictionary_encode() if column.type == pa.string() else column
        for column in table.columns
    ]
    pq.write_table(pa.table(dict(zip(columns, cells, strict=True))), path)


@pytest.mark.parametrize("write_as", [as_arrow, as_pandas, as_large_dictionaries])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_rows_and_reasons_of_the_same_json_lines(
    tmp_path: Path, name: str, write_as: Callable[[list[dict[str, object]], Path], None]
) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in FORMS[name]), "utf-8")
    write_as(FORMS[name], tmp_path / "rows.parquet")
    assert told(tmp_path / "rows.parquet") == told(lines)


def test_maps_times_and_half_floats_are_kept(tmp_path: Path) -> None:
    columns = {
        "prompt": ["a"],
        "map": pa.array([[("k", "v")]], type=pa.map_(pa.string(), pa.string())),
        "took": [datetime.timedelta(seconds=3)],
        "half": pa.array([np.float16(1.5)], type=pa.float16()),
    }
    (row,) = read_rows(write(tmp_path, columns)).rows  # type: ignore[arg-type]
    assert row == {"prompt": "a", "map": {"k": "v"}, "took": "0:00:03", "half": 1.5}


@pytest.mark.parametrize("cut", [10, 0.5, -5, "flipped"])
@pytest.mark.parametrize("kind", [".jsonl.gz", ".csv.gz"])
def test_a_packed_file_that_is_cut_or_broken_is_one_sentence(tmp_path: Path, kind: str, cut: float | str) -> None:
    data = gzip.compress(b"".join(b'{"prompt": "%d"}\n' % place for place in range(9000)))
    if cut == "flipped":
        data = data[:60] + bytes([data[60] ^ 255]) + data[61:]
    else:
        data = data[: int(len(data) * cut) if cut == 0.5 else int(cut)]
    (tmp_path / f"rows{kind}").write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        read_rows(tmp_path / f"rows{kind}")
    assert caught.value.key == "dataset_broken_packed"
