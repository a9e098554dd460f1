"""Fixtures that every test may use."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import settings

from tests import chromium as finder

settings.register_profile("lab", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("lab")
gc.disable()  # until the tests are collected, and torch and trl with them: see lab/loading.py


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LAB_HOME of this test's own."""
    home = tmp_path / "lab_home"
    home.mkdir()
    monkeypatch.setenv("LAB_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; a test that needs one fails, with the line that says what to install, where none is."""
    path = finder.find()
    if path is None:
        pytest.fail(finder.WHAT_TO_INSTALL)
    return path
