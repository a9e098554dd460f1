"""Files of the lab's own that were given to the wrong import."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from lab.data.other_kinds import CHUNK, SparingFile, check_kind, kind_of_columns
from lab.errors import DatasetError


def zip_of(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return path


def test_a_zip_of_an_exported_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        check_kind(zip_of(tmp_path / "export.zip", ["v1/version.json", "v1/pairs.jsonl"]))
    assert caught.value.key == "kind_export"


def test_any_other_zip_passes(tmp_path: Path) -> None:
    check_kind(zip_of(tmp_path / "photos.zip", ["a.png"]))
    (tmp_path / "text.zip").write_text("no zip")
    check_kind(tmp_path / "text.zip")


def test_no_list_of_members_is_read_that_is_larger_than_a_chunk(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "long.zip", [f"{number:05}-{'x' * 200}" for number in range(CHUNK // 200)])
    with SparingFile(path) as file, pytest.raises(zipfile.BadZipFile, match="too long"):
        zipfile.ZipFile(file)
    check_kind(path)


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (("pair_id", "kind", "annotator", "choice", "left", "time"), "kind_export"),
        (("step", "group", "completions"), "kind_groups"),
        (("step", "loss"), "kind_metrics"),
    ],
)
def test_the_columns_name_the_kind(columns: tuple[str, ...], key: str) -> None:
    error = kind_of_columns(Path("file.jsonl"), columns)
    assert error is not None and error.key == key


def test_a_prompt_among_the_columns_is_no_metrics_file() -> None:
    assert kind_of_columns(Path("file.jsonl"), ("step", "loss", "prompt")) is None
