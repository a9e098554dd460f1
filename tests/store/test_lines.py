"""Lines on disk: whole or not there, whatever cuts a write short."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from lab.errors import MachineError
from lab.store.lines import append_line, read_json, read_lines, write_json


def lines(path: Path, since: int = 0) -> list[dict[str, object]]:
    return [line for _, _, line in read_lines(path, since)]


def test_a_half_written_last_line_is_ignored_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append_line(path, {"step": 1})
    with path.open("ab") as file:
        file.write(b'{"step":')
    assert lines(path) == [{"step": 1}]
    with path.open("ab") as file:
        file.write(b"2}\n")
    assert lines(path) == [{"step": 1}, {"step": 2}]


def test_an_append_after_half_a_line_starts_on_a_fresh_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append_line(path, {"step": 1})
    with path.open("ab") as file:
        file.write(b'{"step": 2, "lo')
    append_line(path, {"step": 3})
    assert lines(path) == [{"step": 1}, {"step": 3}]


def test_offsets_go_on_where_they_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for step in range(5):
        append_line(path, {"step": step, "text": "解方程"})
    ends = [end for _, end, _ in read_lines(path)]
    assert ends[-1] == path.stat().st_size
    assert lines(path, ends[2]) == [{"step": 3, "text": "解方程"}, {"step": 4, "text": "解方程"}]
    assert lines(tmp_path / "none.jsonl") == []


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    append_line(path, {"step": 1})
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:4]))  # the disk took four bytes
    with pytest.raises(MachineError) as caught:
        append_line(path, {"step": 2})
    assert caught.value.key == "disk_full"
    monkeypatch.undo()
    assert path.read_bytes() == b'{"step":1}\n'

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(MachineError):
        append_line(path, {"step": 2})
    monkeypatch.undo()
    append_line(path, {"step": 2})
    assert lines(path) == [{"step": 1}, {"step": 2}]


def test_a_number_that_is_none_becomes_null(tmp_path: Path) -> None:
    append_line(tmp_path / "a.jsonl", {"loss": float("nan"), "more": [float("inf"), {"x": 1.5}]})
    assert lines(tmp_path / "a.jsonl") == [{"loss": None, "more": [None, {"x": 1.5}]}]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, named = tmp_path / "result.json", []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: fsync(file) or named.append(path.exists()))
    write_json(path, {"n": 1})
    assert named == [False], "after a power cut it is the whole file or none"
    write_json(path, {"n": 2}, durable=False)
    assert len(named) == 1 and read_json(path) == {"n": 2}


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    write_json(path, {"n": 0, "pad": "x" * 5000})
    broken = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if read_json(path) is None:
                broken.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for n in range(200):
        write_json(path, {"n": n, "pad": "x" * 5000}, durable=False)
    done.set()
    watcher.join()
    assert not broken
    assert [entry.name for entry in tmp_path.iterdir()] == ["heartbeat"]
