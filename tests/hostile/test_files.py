"""Files that are built to take the memory, or never to end: each is one sentence, and the process that asks does not grow."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.annotation.collections import Annotation
from lab.annotation.versions.importing import NEEDED
from lab.errors import DatasetError, InputError, LabError, StateError
from lab.sandbox import files
from lab.sandbox.files import Reading
from lab.store.runs import Store
from lab.words import LOCALES, word
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.annotation.reading import import_file

MOST_GROWN = 80 << 20
"""Bytes that the asking process may grow by, pyarrow and its own tables among them."""


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


def table(rows: int, **columns: object) -> pa.Table:
    usual = {"prompt": pa.array(["p"] * rows), "chosen": pa.array(["a"] * rows), "rejected": pa.array(["b"] * rows)}
    return pa.table(usual | columns)


def expanding(folder: Path) -> Path:
    """A kilobyte that unpacks to 2 GB: the same long text in each of 20,000 rows."""
    path = folder / "expanding.parquet"
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 100_000]))
    pq.write_table(table(20_000, prompt=long), path, compression="zstd")
    assert path.stat().st_size < 10_000
    return path


def dictionary(folder: Path) -> Path:
    """Rows that are numbers into a short list of long texts, which differ: 5 GB."""
    path = folder / "dictionary.parquet"
    texts = pa.array([f"{number}" * 25_000 for number in range(1000, 1008)])
    long = pa.DictionaryArray.from_arrays(pa.array([row % 8 for row in range(50_000)], pa.int32()), texts)
    pq.write_table(table(50_000, chosen=long), path, compression="zstd")
    assert path.stat().st_size < 700_000
    return path


def many_rows(folder: Path) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(table(30_000), path, compression="zstd")
    return path


def many_columns(folder: Path) -> Path:
    path = folder / "columns.jsonl"
    path.write_text(json.dumps({f"c{number}": number for number in range(30_000)}) + "\n")
    return path


def endless(folder: Path) -> Path:
    path = folder / "zero.jsonl"
    path.symlink_to("/dev/zero")
    return path


def pipe(folder: Path) -> Path:
    path = folder / "pipe.csv"
    os.mkfifo(path)
    return path


def linked_pipe(folder: Path) -> Path:
    path = folder / "linked.json"
    path.symlink_to(pipe(folder))
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "folder.parquet"
    path.mkdir()
    return path


def deep(folder: Path) -> Path:
    path = folder / "deep.json"
    path.write_text("[" * 200_000)
    return path


def long_number(folder: Path) -> Path:
    path = folder / "number.jsonl"
    path.write_text('{"prompt": ' + "9" * 1_000_000 + "}\n")
    return path


ATTACKS: dict[Callable[[Path], Path], tuple[str, ...]] = {
    expanding: ("file_unpacks", "file_memory"),
    dictionary: ("file_unpacks", "file_memory"),
    many_rows: ("file_rows",),
    many_columns: ("file_columns", "dataset_columns_many"),
    endless: ("file_not_ordinary",),
    pipe: ("file_not_ordinary",),
    linked_pipe: ("file_not_ordinary",),
    a_folder: ("file_not_ordinary",),
    deep: ("dataset_broken_json",),
    long_number: ("dataset_broken_json",),
}


LOWER = {
    many_rows: {"MOST_ROWS": 10_000},
    expanding: {"MOST_CHARACTERS": 50_000_000},
    dictionary: {"MOST_CHARACTERS": 50_000_000},
}
"""Limits that a test lowers, so that reaching them takes less time."""


def one_sentence(error: LabError) -> None:
    for locale in LOCALES:
        sentence = word(error, locale)
        assert sentence and "\n" not in sentence and "{" not in sentence


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files on POSIX")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_file_that_would_take_the_memory_or_hang(
    attack: Callable[[Path], Path], annotation: Annotation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = attack(tmp_path)
    for limit, lower in LOWER.get(attack, {}).items():
        monkeypatch.setattr(files, limit, lower)
    before = psutil.Process().memory_info().rss
    with pytest.raises(DatasetError) as caught:
        import_file(annotation, path)
    assert caught.value.key in ATTACKS[attack]
    one_sentence(caught.value)
    assert psutil.Process().memory_info().rss < before + MOST_GROWN
    assert annotation.collections() == []


def test_packed_text_that_unpacks_to_far_more(
    annotation: Annotation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    line = (json.dumps({"prompt": "x" * 1_000_000, "chosen": "a", "rejected": "b"}) + "\n").encode()
    path.write_bytes(gzip.compress(line * 40))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(files, "MOST_CHARACTERS", 20_000_000)
    with pytest.raises(DatasetError) as caught:
        import_file(annotation, path)
    assert caught.value.key == "file_unpacks"
    one_sentence(caught.value)


def test_a_process_that_dies_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system ends one when there is no memory left."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    start = files.start

    def dying(*given: Any) -> Any:
        process = start(*given)
        files.kill(process)
        return process

    monkeypatch.setattr(files, "start", dying)
    with closing(Reading("records", path, most_bytes=1000)) as reading, pytest.raises(DatasetError) as caught:
        list(reading)
    assert caught.value.key == "file_memory"
    one_sentence(caught.value)


def test_a_process_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    monkeypatch.setattr(files, "LONGEST_SILENCE", 0.001)  # it takes longer than that to start
    with closing(Reading("records", path, most_bytes=1000)) as reading, pytest.raises(DatasetError) as caught:
        list(reading)
    assert caught.value.key == "file_too_slow"
    one_sentence(caught.value)


def test_nothing_is_taken_of_a_file_whose_reading_is_cancelled(annotation: Annotation, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": f"{n}", "chosen": "a", "rejected": "b"}) + "\n" for n in range(20_000))
    )
    with annotation.pairs_file(path, keep=True) as file, pytest.raises(StateError) as caught:
        for progress in file.read():
            assert 0 < progress.rows <= 20_000
            file.cancel()
    assert caught.value.key == "reading_cancelled"
    one_sentence(caught.value)
    assert annotation.collections() == []
    assert list(annotation.store.home.glob("tmp*")) == []


# ---- an export that is taken in


@pytest.fixture
def folder(annotation: Annotation, tmp_path: Path) -> Path:
    collection = sums(annotation, 3)
    judge_all(annotation, ANNA, collection)
    return annotation.export(annotation.freeze(collection).id, tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files on POSIX")
@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "pipe"])
def test_an_export_with_a_link_or_a_pipe_in_it(annotation: Annotation, folder: Path, name: str, target: str) -> None:
    (folder / name).unlink()
    if target == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(target)
    with pytest.raises(InputError) as caught:
        annotation.import_export(folder)
    assert caught.value.key == ("file_not_ordinary" if target == "pipe" else "export_link")
    one_sentence(caught.value)
