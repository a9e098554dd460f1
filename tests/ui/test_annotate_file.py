"""What the page is told while a file of pairs is read, and that Cancel ends the reading of the page that asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.annotation.collections import Annotation
from lab.store.runs import Store
from lab.ui import file_reading
from lab.ui.tabs.annotate.file import FileWay


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileWay]:
    monkeypatch.setattr(file_reading, "EVERY", 0.0)
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    with gr.Blocks():
        made = FileWay(Annotation(store), gr.I18n(en={}))
    yield made
    store.close()


def page(session: str = "one", language: str = "en") -> Any:
    return SimpleNamespace(headers={"accept-language": language}, session_hash=session)


def written(folder: Path, count: int) -> Path:
    path = folder / "rows.jsonl"
    rows = ({"prompt": f"{n}", "chosen": "a", "rejected": "b"} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    ("language", "rows", "done"), [("en", "2,000 rows read", "pairs"), ("zh", "已读取 2,000 行", "6000")]
)
def test_rows_and_the_share_of_the_file_are_shown(
    way: FileWay, tmp_path: Path, language: str, rows: str, done: str
) -> None:
    steps = list(way.given(page(language=language), str(written(tmp_path, 6000)), "responses", "", [], *[None] * 6))
    begins, first, *_, last = (str(step[way.preview]) for step in steps)
    assert "<progress" in begins and "value" not in begins
    assert rows in first and 'max="1" value="0.' in first
    going = [step[way.cancel]["visible"] for step in steps]
    assert going == sorted(going, reverse=True) and going[0] and not going[-1]
    assert "<progress" not in last and done in last


def test_cancel_ends_the_reading_of_its_own_page(way: FileWay, tmp_path: Path) -> None:
    path = str(written(tmp_path, 20_000))
    steps = way.given(page("one"), path, "responses", "", [], *[None] * 6)
    next(steps), next(steps)
    way.cancelled(page("another"))
    assert "<progress" in next(steps)[way.preview]
    way.cancelled(page("one"))
    *_, last = steps
    assert "was cancelled" in last[way.preview] and last[way.cancel]["visible"] is False
