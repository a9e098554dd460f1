"""``python -m lab export`` as a person runs it: the list, a folder, and a folder taken in again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.annotation.collections import Annotation
from lab.annotation.versions.freeze import Version
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, given, judge_all, place_of, says, sums


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


def test_the_same_folder_twice_is_one_version_and_says_so(
    frozen: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert cli.main(["export", frozen.id, str(folder)]) == 0
    other = ["--home", str(tmp_path / "other")]
    assert cli.main(["export", "--take-in", str(folder), *other]) == 0
    assert "already" not in capsys.readouterr().err
    assert cli.main(["export", "--take-in", str(folder), *other, "--json"]) == 0
    told = capsys.readouterr()
    assert "was here already as version:" + frozen.id in told.err and json.loads(told.out)["id"] == frozen.id
    assert cli.main(["export", "--json", *other]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["versions"]] == [frozen.id]


def test_what_became_of_edits_is_printed(lab_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(lab_home)
    annotation = Annotation(store)
    collection = sums(annotation, 2)
    for pair in given(annotation, ANNA, collection, 2):
        says(annotation, ANNA, collection, pair, place_of(pair), edited="Better so.")
    version = annotation.freeze(collection)
    store.close()
    assert cli.main(["export", version.id, str(tmp_path / "out")]) == 0
    assert "2 edited responses are left out" in capsys.readouterr().out
    assert cli.main(["export", version.id, str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["edits"] == {"not_by_rule": 2}


def test_what_goes_wrong_is_a_sentence(frozen: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", frozen.id]) == 2
    assert "FOLDER" in capsys.readouterr().err
    assert cli.main(["export", "20260101-000000-aaaa", str(tmp_path / "x")]) == 1
    assert "There is no frozen version" in capsys.readouterr().err
    assert cli.main(["export", frozen.id, str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
