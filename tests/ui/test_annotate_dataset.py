"""The dataset part of the Annotate tab: files to download, what is sent to the Hub, and the way to training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.store.annotation import Annotation
from lab.store.runs import Store
from lab.ui.tabs.annotate_dataset import DatasetPart, downloads
from tests.store.annotating import ANNA, judge_all, sums

OWNER: Any = SimpleNamespace(headers={}, query_params={})


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def version(annotation: Annotation) -> str:
    collection = sums(annotation, 3)
    judge_all(annotation, ANNA, collection)
    return annotation.freeze(collection).id


def test_files_to_download_leave_no_folder_behind(
    annotation: Annotation, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    once = downloads(annotation, version, str(tmp_path / "cache"))
    again = downloads(annotation, version, str(tmp_path / "cache"))
    assert once == again and list(folder.iterdir()) == []
    assert {"preferences.jsonl", "pairs.jsonl", "version.json"} < {Path(path).name for path in once}
    assert all(Path(path).stat().st_size for path in once)


@pytest.mark.parametrize(("typed", "sent"), [(None, None), ("", None), ("  ", None), (" hf_x ", "hf_x")])
def test_an_empty_token_is_none(
    annotation: Annotation, version: str, monkeypatch: pytest.MonkeyPatch, typed: Any, sent: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(annotation, "push", lambda *_, token, **__: asked.append(token) or "address")
    with gr.Blocks():
        part = DatasetPart(annotation, gr.I18n(en={}, zh={}))
    part.pushed(OWNER, version, "me/sums", True, typed)
    assert asked == [sent]
