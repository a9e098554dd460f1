"""CSV as spreadsheets write it: every cell comes back as the text that stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError


def read(folder: Path, content: str | bytes, name: str = "rows.csv") -> Rows:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_rows(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends(tmp_path: Path, mark: str, delimiter: str, end: str) -> None:
    lines = [["prompt", "answer"], ['"3x, plus; 5"', "5"], ['"解方程"', '"-1"'], ["", ""], ["a b", "c"]]
    rows = read(tmp_path, mark + end.join(delimiter.join(cells) for cells in lines))
    assert rows.columns == ("prompt", "answer")
    assert rows.rows == [
        {"prompt": "3x, plus; 5", "answer": "5"},
        {"prompt": "解方程", "answer": "-1"},
        {"prompt": "a b", "answer": "c"},
    ]
    assert rows.lines == [2, 3, 5]


def test_quoted_new_lines_and_quotation_marks(tmp_path: Path) -> None:
    rows = read(tmp_path, 'prompt,answer\n"one\ntwo\r\nthree, ""four""",5\nlast,6\n')
    assert rows.rows[0] == {"prompt": 'one\ntwo\r\nthree, "four"', "answer": "5"}
    assert rows.lines == [2, 5]


def test_cells_are_data(tmp_path: Path) -> None:
    cells = ["=1+1", "@SUM(A1)", "-5", "+3", "007", "NA", "1e3", "TRUE", '[{"a": 1}]', "[{", "'tis"]
    rows = read(tmp_path, "prompt,n\n" + "".join(f'"{cell.replace(chr(34), chr(34) * 2)}",1\n' for cell in cells))
    assert [row["prompt"] for row in rows.rows] == cells


def test_short_rows_are_filled_long_ones_left_out_and_unnamed_columns_passed_over(tmp_path: Path) -> None:
    rows = read(tmp_path, ",prompt,answer\n0,a,1\n1,b\n2,c,3,4\n3,d,5,\n")
    assert rows.rows == [{"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": ""}, {"prompt": "d", "answer": "5"}]
    assert rows.left_out == [LeftOut(4, WhyLeftOut.TOO_MANY_CELLS, "4")]


def test_one_column(tmp_path: Path) -> None:
    assert read(tmp_path, "prompt\nwhat, and why\n".replace(", ", " ")).rows == [{"prompt": "what and why"}]


def test_a_long_answer_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"prompt,answer\na,{'x' * 300_000}\n").rows[0]["answer"]) == 300_000


@pytest.mark.parametrize(
    ("content", "key", "params"),
    [
        ("prompt,answer\ncafé, déjà vu,5\n".encode("latin-1"), "dataset_not_utf8", {"line": 2}),
        ("prompt,answer\n".encode("utf-16"), "dataset_only_header", {"found": "prompt, answer"}),
        ('prompt,answer\na,1\n"b,2\nc,3\n', "dataset_broken_csv", {"line": 3}),
        ('prompt,answer\n"a"b,1\n', "dataset_broken_csv", {"line": 2}),
        ("prompt,answer,prompt\na,1,b\n", "dataset_column_twice", {"column": "prompt"}),
        ("prompt,answer\n", "dataset_only_header", {"found": "prompt, answer"}),
        ("", "dataset_empty", {}),
        ("\n\n", "dataset_empty", {}),
    ],
)
def test_errors_name_the_place(tmp_path: Path, content: str | bytes, key: str, params: dict[str, object]) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert caught.value.key == key
    assert params.items() <= caught.value.params.items()
