"""Opening files: encodings that are told, packing, and what is no file."""

from __future__ import annotations

import gzip
import json
import os
import socket
from pathlib import Path

import pyarrow as pa
import pytest

from lab.core.notes import note
from lab.data import source
from lab.data.rows import Rows, read_batches, read_rows
from lab.errors import DatasetError

LINES = '{"prompt": "解方程", "answer": "五"}\n{"prompt": "Tea?", "answer": "2"}\n'
TABLE = "prompt;answer\n解方程，求未知数;五\nTea?;2\n"
ROWS = [{"prompt": "解方程", "answer": "五"}, {"prompt": "Tea?", "answer": "2"}]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSONL", "a.json", "a.csv", "a.CSV"])
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
        ("gb18030", "GB18030"),
    ],
)
def test_encodings_that_can_be_told_are_read_and_said(
    tmp_path: Path, name: str, encoding: str, said: str | None
) -> None:
    text = TABLE.replace("，求未知数", "") if name.lower().endswith("csv") else LINES
    rows = read_rows(write(tmp_path, name, text.encode(encoding)))
    assert rows.rows == ROWS
    assert rows.notes == (() if said is None else (note("encoding", encoding=said),))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15"])
def test_a_western_encoding_is_refused_rather_than_read_as_chinese(tmp_path: Path, encoding: str) -> None:
    text = "prompt,answer\nWie heißt das?,Übermäßig große Straße\nÇa va à l'école?,déjà vu café\n"
    with pytest.raises(DatasetError) as caught:
        read_rows(write(tmp_path, "a.csv", text.encode(encoding)))
    assert (caught.value.key, caught.value.params["line"]) == ("dataset_not_utf8", 2)


def test_the_line_is_named_where_a_late_byte_is_broken(tmp_path: Path) -> None:
    content = LINES.encode() * 40_000 + b'{"prompt": "\xff\xfe"}\n'
    with pytest.raises(DatasetError) as caught:
        read_rows(write(tmp_path, "a.jsonl", content))
    assert caught.value.params["line"] == 80_001


@pytest.mark.parametrize(("line", "delimiter"), [("sep=;\n", ";"), ('"sep=|"\r\n', "|"), ("SEP=\t\n", "\t")])
def test_a_first_line_may_name_the_delimiter(tmp_path: Path, line: str, delimiter: str) -> None:
    rows = read_rows(write(tmp_path, "a.csv", (line + f"prompt{delimiter}answer\na,b{delimiter}c\n").encode()))
    assert rows.rows == [{"prompt": "a,b", "answer": "c"}] and rows.lines == [3]
    assert [one.key for one in rows.notes] == ["delimiter_line"]


def test_excels_tabs_in_utf_16_are_read_from_a_csv(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "a.CSV", "prompt\tanswer\r\nTea, or jam?\t茶\r\n".encode("utf-16")))
    assert rows.rows == [{"prompt": "Tea, or jam?", "answer": "茶"}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_packed_files(tmp_path: Path, name: str) -> None:
    text = TABLE.replace("，求未知数", "") if name.endswith("csv") else LINES
    zipped = write(tmp_path, f"{name}.gz", gzip.compress(text.encode()))
    assert read_rows(zipped).rows == ROWS
    packed = tmp_path / f"{name}.ZST"
    with pa.OSFile(str(packed), "wb") as file, pa.CompressedOutputStream(file, "zstd") as stream:
        stream.write(text.encode("utf-16"))
    assert read_rows(packed).rows == ROWS


def test_packed_parquet(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"prompt": ["a"]}), tmp_path / "a.parquet")
    packed = write(tmp_path, "b.parquet.gz", gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read_rows(packed).rows == [{"prompt": "a"}]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_packed_file_that_is_none(tmp_path: Path, name: str) -> None:
    good = gzip.compress(LINES.encode() * 1000)
    for content in (b"plain text", good[:200] if name.endswith("gz") else b"\x28\xb5\x2f\xfd\x00"):
        with pytest.raises(DatasetError) as caught:
            read_rows(write(tmp_path, name, content))
        assert caught.value.key == "dataset_broken_packed"


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_UNPACKED", 1_000_000)
    with pytest.raises(DatasetError) as caught:
        read_rows(write(tmp_path, "a.jsonl.gz", gzip.compress(b" " * 2_000_000)))
    assert caught.value.key == "dataset_unpacks"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_devices_pipes_and_sockets_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "linked.csv").symlink_to(tmp_path / "pipe.jsonl")
    for name in ("pipe.jsonl", "zero.jsonl", "linked.csv"):
        with pytest.raises(DatasetError) as caught:
            read_rows(tmp_path / name)
        assert caught.value.key == "dataset_not_a_file"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "s.jsonl"))
        with pytest.raises(DatasetError) as caught:
            read_rows(tmp_path / "s.jsonl")
        assert caught.value.key == "dataset_unreadable"


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(write(tmp_path, "a.jsonl", LINES.encode()))
    assert read_rows(tmp_path / "link.jsonl").rows == ROWS


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_batches_give_the_same_rows(tmp_path: Path, name: str) -> None:
    rows = [{"prompt": f"{n}\u2028", "answer": str(n)} for n in range(25)]
    if name == "a.csv":
        content = "prompt,answer\n" + "".join(f"{row['prompt']},{row['answer']}\n" for row in rows)
    elif name == "a.json":
        content = json.dumps([*rows[:10], 5, *rows[10:]])
    else:
        content = "".join(json.dumps(row) + "\n" for row in [*rows[:10], 5, *rows[10:]])
    path = write(tmp_path, name, content.encode())
    whole = read_rows(path)
    batches = list(read_batches(path, 7))
    assert [row for batch in batches for row in batch.rows] == whole.rows == rows
    assert [line for batch in batches for line in batch.lines] == whole.lines
    assert [left for batch in batches for left in batch.left_out] == whole.left_out
    assert {batch.content_hash for batch in batches} == {whole.content_hash}
    assert max(len(batch.rows) for batch in batches) <= 7 and batches[-1].share == 1.0


def test_a_batch_that_holds_no_usable_row_is_no_error(tmp_path: Path) -> None:
    from lab.data.pair_rows import pair_batches

    def pair(n: int, first: str) -> dict[str, str]:
        return {"prompt": f"{n}", "first": first, "second": "b"}

    lines = [pair(n, "b" if n < 3000 else "a") for n in range(3001)] + [pair(3000, "a")]
    path = write(tmp_path, "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    found = list(pair_batches(path))
    assert sum(len(batch.pairs) for batch in found) == 1
    assert sum(len(batch.left_out) for batch in found) == 3001, "the pair of an earlier batch is not taken again"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:3]))
    with pytest.raises(DatasetError) as caught:
        list(pair_batches(path))
    assert caught.value.key == "dataset_all_equal"


def test_a_million_columns_are_refused(tmp_path: Path) -> None:
    header = ",".join(f"c{n}" for n in range(5000))
    with pytest.raises(DatasetError) as caught:
        read_rows(write(tmp_path, "a.csv", f"{header}\n{header}\n".encode()))
    assert caught.value.key == "dataset_columns_many"


def test_rows_know_nothing_of_a_file_that_changed_its_kind(tmp_path: Path) -> None:
    rows: Rows = read_rows(write(tmp_path, "a.json", LINES.encode()))
    assert rows.rows == ROWS, "JSON lines under the other name"
