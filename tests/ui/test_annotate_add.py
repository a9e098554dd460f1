"""The form that pairs come in by: which column of a file is which, and what waits for a sampling job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.data.pair_rows import Known
from lab.sandbox.files import MOST_FILE_BYTES
from lab.server.limits import UPLOAD_BYTES
from lab.store.runs import Store
from lab.ui.tabs.annotate.file import MAPPED, _mapping
from tests.annotation.reading import preview_file


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


def mapped(**columns: str) -> list[Any]:
    """What the browser sends: a column, or nothing, for each name in turn."""
    return [columns.get(name) for names in MAPPED for name in names]


def written(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    return path


def test_every_column_of_a_pair_can_be_chosen(annotation: Annotation, tmp_path: Path) -> None:
    row = {"q": "2 + 2", "one": "4", "two": "5", "best": "first", "m1": "small", "m2": "large"}
    path = written(tmp_path, row)
    names = {
        "prompt": "q",
        "response_1": "one",
        "response_2": "two",
        "gold": "best",
        "source_1": "m1",
        "source_2": "m2",
    }
    (pair,) = preview_file(annotation, path, columns=_mapping("responses", mapped(**names))).pairs
    assert pair.gold is not None and pair.response(pair.gold).text == "4"
    assert {pair.first.source, pair.second.source} == {"small", "large"}
    assert pair.response(pair.gold).source == "small"


@pytest.mark.parametrize("known", list(Known))
def test_sources_of_preferences_can_be_chosen_alone(annotation: Annotation, tmp_path: Path, known: Known) -> None:
    row = {"prompt": "2 + 2", "chosen": "4", "rejected": "5", "m1": "small", "m2": "large"}
    columns = _mapping(known, mapped(source_1="m1", source_2="m2"))
    (pair,) = preview_file(annotation, written(tmp_path, row), columns=columns, known=known).pairs
    assert {side.text: side.source for side in (pair.first, pair.second)} == {"4": "small", "5": "large"}


def test_prompt_and_responses_are_chosen_together() -> None:
    assert _mapping("responses", mapped(prompt="q")) == {}
    assert _mapping("gold", mapped(prompt="q", response_1="a", response_2="b")) == {
        "prompt": "q",
        "chosen": "a",
        "rejected": "b",
    }


def test_the_page_takes_what_the_store_reads() -> None:
    assert MOST_FILE_BYTES < UPLOAD_BYTES <= 1.1 * MOST_FILE_BYTES
