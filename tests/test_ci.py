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
    for name in ("make", "apt-get", "sudo", "chromium", "node", "npm"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n')
        program.chmod(0o755)
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    assert subprocess.run([ROOT / ".ci" / "run"], env=environment, check=False).returncode == 0
    called = (tmp_path / "called").read_text()
    assert "make test" in called and "fonts" not in called


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
@pytest.mark.parametrize("there", [(), ("node",)], ids=["no node", "no npm"])
def test_the_browsers_code_is_said_to_be_unchecked_without_node(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    for name in there:
        (tmp_path / name).symlink_to("/bin/true")
    checked = subprocess.run(
        [ROOT / ".ci" / "lint-browser"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    missing = "npm" if there else "node"
    assert checked.returncode == 0 and f"was not checked: {missing} is not installed" in checked.stderr
