"""Files of one's own to train on: looked at as training reads them, kept under their names, used by a recipe, deleted."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.core.recipes import parse
from lab.data import datasets
from lab.errors import DatasetError, InputError, LabError, StateError
from lab.store.runs import Store
from lab.store.uploads import RowsFile, Seen, Uploads


@pytest.fixture
def store(lab_home: Path) -> Iterator[Store]:
    opened = Store(lab_home, allow_unsafe_disk=True)
    yield opened
    opened.close()


def written(folder: Path, rows: list[dict[str, Any]], name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def looked_at(path: Path, algorithm: str, columns: dict[str, str] | None = None) -> Seen:
    with RowsFile(path, algorithm, columns) as file:
        for progress in file.read():
            assert progress.rows > 0
        assert file.seen is not None
        return file.seen


SUMS = [{"ask": f"{n} + {n}", "reply": f"It is {2 * n}.", "topic": "sums"} for n in range(20)]


def test_columns_are_proposed_looked_at_and_trained_on(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, [*SUMS, {"ask": "", "reply": "nothing asked"}])
    with RowsFile(path, "sft") as file, pytest.raises(DatasetError):
        list(file.read())
    assert file.found_columns == ("ask", "reply", "topic")
    columns = file.guess_of(("prompt", "completion"))
    assert columns == {"prompt": "ask", "completion": "reply"}
    seen = looked_at(path, "sft", columns)
    assert (seen.count, seen.total) == (20, 21) and len(seen.left_out) == 1
    assert seen.rows[1]["prompt"] == "1 + 1" and seen.rows[1]["completion"] == "It is 2."
    assert "topic" in seen.passed_over
    upload = Uploads(store).keep(path, "My sums", columns, seen.count)
    path.unlink()  # the lab has its own
    found = datasets.load(parse({"algorithm": "sft", "dataset": upload.dataset}), store.home)
    assert len(found.train) + len([row for row in SUMS if datasets._is_held_out(row["ask"])]) == 20
    assert {row["completion"] for row in found.train} <= {row["reply"] for row in SUMS}


def test_what_is_kept_is_listed_and_deleted_by_an_id_of_the_labs_own(store: Store, tmp_path: Path) -> None:
    uploads = Uploads(store)
    path = written(tmp_path, [{"prompt": "p", "completion": "c"}], "evil.jsonl")
    first = uploads.keep(path, "<b> ../../数据", {}, 1)
    second = uploads.keep(path, "", {}, 1)
    assert {one.name for one in uploads.all()} == {"<b> ../../数据", "evil.jsonl"}
    for one in (first, second):
        assert one.path.parent.parent == store.home / "data" and one.path.name == "rows.jsonl"
    uploads.delete(first.id)
    assert uploads.all() == [second] and not first.path.exists()
    for wrong in (first.id, "../runs", "upload-", ""):
        with pytest.raises(StateError) as caught:
            uploads.delete(wrong)
        assert caught.value.key == "no_such_upload"
    (second.path.parent / "upload.json").write_text("[]")
    assert uploads.all() == []


def test_a_file_that_a_run_reads_stays(store: Store, tmp_path: Path) -> None:
    uploads = Uploads(store)
    upload = uploads.keep(written(tmp_path, [{"prompt": "p", "completion": "c"}]), "mine", {}, 1)
    store.create_run(parse({"algorithm": "sft", "dataset": upload.dataset, "name": "long"}))
    with pytest.raises(StateError) as caught:
        uploads.delete(upload.id)
    assert (caught.value.key, caught.value.params["run"]) == ("upload_in_use", "long")


@pytest.mark.parametrize("name", ["\x00", "x" * 500])
def test_a_name_that_cannot_be_shown(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        Uploads(store).keep(written(tmp_path, [{"prompt": "p"}]), name, {}, 1)
    assert list((store.home / "data").glob("*upload*")) == []


def test_files_for_other_doors_are_sent_there(tmp_path: Path) -> None:
    group = {"version": 1, "step": 1, "group": 0, "prompt": "p", "completions": []}
    event = {"pair_id": "p", "kind": "judgement", "annotator": "a", "choice": "first", "left": "first"}
    (tmp_path / "rules.toml").write_text("[[rules]]\n")
    (tmp_path / "model.safetensors").write_bytes(b"0")
    with zipfile.ZipFile(tmp_path / "sums.zip", "w") as archive:
        archive.writestr("sums/version.json", "{}")
    files = {
        written(tmp_path, [group], "groups.jsonl"): "kind_groups",
        written(tmp_path, [event], "judgements.jsonl"): "kind_export",
        written(tmp_path, [{"step": 1, "loss": 0.5}], "metrics.jsonl"): "kind_metrics",
        tmp_path / "rules.toml": "dataset_kind_toml",
        tmp_path / "model.safetensors": "dataset_kind_model",
        tmp_path / "sums.zip": "kind_export",
    }
    for path, key in files.items():
        with RowsFile(path, "sft") as file, pytest.raises(LabError) as caught:
            list(file.read())
        assert caught.value.key == key, path
