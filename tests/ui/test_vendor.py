"""The libraries that a browser loads: byte for byte what their versions ship, each with its licence, and the ones that the page asks for."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

VENDOR = Path(__file__).parents[2] / "lab" / "ui" / "vendor"
SHARED = VENDOR.parent / "components" / "shared"
LIBRARIES: dict[str, dict[str, Any]] = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))
PERMISSIVE = ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause")


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_is_what_its_version_ships(name: str) -> None:
    library = LIBRARIES[name]
    content = (VENDOR / library["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == library["sha256"]
    assert library["version"] in library["file"], "browsers keep a file for a year: its name changes with the version"
    assert any(licence in library["licence"] for licence in PERMISSIVE)
    assert len((VENDOR / library["licence_file"]).read_text(encoding="utf-8")) > 500


def test_nothing_else_lies_there_and_the_page_loads_these() -> None:
    listed = {library["file"] for library in LIBRARIES.values()}
    assert {path.name for path in VENDOR.glob("*.js")} == listed
    asked = re.search(r"DISPLAY_LIBRARIES = \[(.*?)\]", (SHARED / "text_display.js").read_text(encoding="utf-8"), re.S)
    assert asked and set(re.findall(r'"([^"]+)"', asked[1])) == listed
