"""Gradio's cache of uploads is emptied, and what Gradio itself put there stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.server import upload_cache
from lab.server.upload_cache import OLDEST_SECONDS, UploadCache


def upload(folder: Path, name: str, size: int = 10) -> Path:
    path = folder / f"of-{name}" / "rows.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    return path


def test_what_is_old_goes_with_its_folder_and_what_is_new_stays(tmp_path: Path) -> None:
    cache = UploadCache(tmp_path)
    path = upload(tmp_path, "one")
    assert cache.sweep() == 0 and path.exists()
    assert cache.sweep(now=time.time() + OLDEST_SECONDS + 1) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_was_set_back_keeps_nothing_for_ever(tmp_path: Path) -> None:
    cache = UploadCache(tmp_path)
    upload(tmp_path, "one")
    assert cache.sweep(now=time.time() - 10 * OLDEST_SECONDS) == 1


def test_the_oldest_go_where_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_cache, "MOST_BYTES", 100)
    cache = UploadCache(tmp_path)
    first = upload(tmp_path, "first", 80)
    time.sleep(0.02)
    second = upload(tmp_path, "second", 80)
    assert cache.sweep() == 1
    assert not first.exists() and second.exists()


def test_what_gradio_put_there_while_it_built_the_page_stays(tmp_path: Path) -> None:
    own = upload(tmp_path, "icon")
    cache = UploadCache(tmp_path)
    assert cache.sweep(now=time.time() + 10 * OLDEST_SECONDS) == 0 and own.exists()


def test_an_earlier_start_s_uploads_go_at_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(tmp_path, "before")
    later = time.time() + 60

    class Process:
        def create_time(self) -> float:
            return later

    monkeypatch.setattr(upload_cache.psutil, "Process", Process)
    UploadCache(tmp_path)
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "cache"
    cache = UploadCache(folder)
    (folder / "of-x").mkdir(parents=True)
    (folder / "of-x" / "link").symlink_to(outside)
    cache.sweep(now=time.time() + 10 * OLDEST_SECONDS)
    assert outside.read_text() == "mine"
