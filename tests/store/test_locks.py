"""A lock is one holder's at a time, and a child that was handed its file holds it on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.store.locks import try_lock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with try_lock(path, 0o600) as held:  # type: ignore[union-attr]
        assert held.file is not None
        assert try_lock(path) is None
    assert held.file is None
    again = try_lock(path)
    assert again is not None
    again.release()
    again.release()
    assert path.stat().st_mode & 0o777 == 0o600 or sys.platform == "win32"


@pytest.mark.skipif(sys.platform == "win32", reason="there, an open file is not handed on")
def test_it_lives_as_long_as_the_child_that_has_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held = try_lock(path)
    assert held is not None and held.file is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(held.file,), text=True)
    held.release()
    assert try_lock(path) is None
    child.communicate("\n", timeout=10)
    again = try_lock(path)
    assert again is not None
    again.release()
