"""``.ci/run``: what it installs on a machine that has everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_font_in_one_of_its_places_is_found(tmp_path: Path) -> None:
    """The other places are missing, as in most homes."""
    fonts, programs = tmp_path / ".local" / "share" / "fonts", tmp_path / "bin"
    fonts.mkdir(parents=True)
    (fonts / "NotoSansCJK-Regular.ttc").touch()
    programs.mkdir()
    for name in ("make", "apt-get", "sudo", "chromium"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n')
        program.chmod(0o755)
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    assert subprocess.run([ROOT / ".ci" / "run"], env=environment, check=False).returncode == 0
    called = (tmp_path / "called").read_text()
    assert "make test" in called and "fonts" not in called
