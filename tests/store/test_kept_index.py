"""The index of groups that is kept beside the file: it saves the scan, and is never believed of another file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.store import group_index
from lab.store.kept_index import NAME, read_kept
from lab.store.run_folder import RunFolder


def line(step: int, group: int = 0) -> dict[str, Any]:
    return {
        "step": step,
        "group": group,
        "prompt": f"p{step % 7}",
        "mean": 0.5,
        "std": None,
        "completions": [{"kept": True}],
    }


def write(folder: Path, steps: range) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "groups.jsonl").open("a") as file:
        file.writelines(json.dumps(line(step)) + "\n" for step in steps)


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The byte from which each scan began."""
    begun: list[int] = []
    real = group_index.read_lines
    monkeypatch.setattr(group_index, "read_lines", lambda path, since=0: begun.append(since) or real(path, since))
    return begun


def test_a_long_run_is_opened_without_reading_its_groups(tmp_path, scanned):
    write(tmp_path / "run", range(1, 3001))
    before = RunFolder(tmp_path / "run").groups_index()
    scanned.clear()
    after = RunFolder(tmp_path / "run").groups_index()
    assert scanned == [], "the file was scanned again"
    assert (after.rows, after.prompts, after.cursor) == (before.rows, before.prompts, before.cursor)
    assert RunFolder(tmp_path / "run").group_lines(2999, 3000) == [line(2999), line(3000)]


def test_what_was_appended_since_is_read_and_no_more(tmp_path, scanned):
    write(tmp_path / "run", range(1, 2001))
    cursor = RunFolder(tmp_path / "run").groups_index().cursor
    write(tmp_path / "run", range(2001, 2011))
    scanned.clear()
    page = RunFolder(tmp_path / "run").groups_index()
    assert scanned == [cursor] and [row.step for row in page.rows[-2:]] == [2009, 2010] and len(page.rows) == 2010


def test_the_worker_keeps_the_index_as_it_writes(tmp_path, scanned):
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    for step in range(1, 1006):
        folder.append("groups", line(step))
    assert read_kept(tmp_path / "run" / "groups.jsonl") is not None
    scanned.clear()
    assert len(RunFolder(tmp_path / "run").groups_index().rows) == 1005 and scanned[0] > 0


def test_a_copied_run_keeps_its_index_and_another_file_does_not(tmp_path, scanned):
    write(tmp_path / "run", range(1, 2001))
    RunFolder(tmp_path / "run").groups_index()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    scanned.clear()
    assert len(RunFolder(tmp_path / "copy").groups_index().rows) == 2000 and scanned == []
    (tmp_path / "copy" / "groups.jsonl").unlink()
    write(tmp_path / "copy", range(5, 2600))
    assert RunFolder(tmp_path / "copy").groups_index().rows[0].step == 5 and scanned == [0]


def test_a_resume_that_dropped_groups_is_kept_as_well(tmp_path):
    write(tmp_path / "run", range(1, 1501))
    with (tmp_path / "run" / "groups.jsonl").open("a") as file:
        file.write(json.dumps({"resumed_from": 700}) + "\n")
    RunFolder(tmp_path / "run").groups_index()
    again = RunFolder(tmp_path / "run").groups_index()
    assert [row.step for row in again.rows] == list(range(1, 701))
    assert RunFolder(tmp_path / "run").groups_index(since=100).reset


@pytest.mark.parametrize("broken", [b"", b"PK", b"not an index"])
def test_a_broken_index_is_made_again(tmp_path, broken):
    write(tmp_path / "run", range(1, 1201))
    (tmp_path / "run" / NAME).write_bytes(broken)
    assert len(RunFolder(tmp_path / "run").groups_index().rows) == 1200
    assert read_kept(tmp_path / "run" / "groups.jsonl") is not None
