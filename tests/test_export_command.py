"""``python -m lab export`` as a person runs it: the list, a folder, and a folder taken in again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.annotation.collections import Annotation
from lab.annotation.versions.freeze import Version
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, judge_all, sums


@pytest.fixture
def frozen(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    store = Store(lab_home)
    annotation = Annotation(store)
    collection = sums(annotation, 5)
    judge_all(annotation, ANNA, collection)
    version = annotation.freeze(collection, name="算式")
    store.close()
    return version


def test_list_export_and_take_in(frozen: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export"]) == 0
    shown = capsys.readouterr().out
    assert frozen.id in shown and "算式" in shown
    folder = tmp_path / "out"
    assert cli.main(["export", f"version:{frozen.id}", str(folder)]) == 0
    assert str(folder) in capsys.readouterr().out and (folder / "preferences.parquet").is_file()
    assert cli.main(["export", "--take-in", str(folder), "--home", str(tmp_path / "other"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["content_hash"], told["preferences"], told["id"]) == (frozen.content_hash, 5, frozen.id)
    assert cli.main(["export", "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["versions"]] == [frozen.id]


def test_what_goes_wrong_is_a_sentence(frozen: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", frozen.id]) == 2
    assert "FOLDER" in capsys.readouterr().err
    assert cli.main(["export", "20260101-000000-aaaa", str(tmp_path / "x")]) == 1
    assert "There is no frozen version" in capsys.readouterr().err
    assert cli.main(["export", frozen.id, str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
