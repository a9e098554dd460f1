"""The architecture and the how-to pages name files that exist, and stay short enough to be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
NAMED = re.compile(r"`([\w.-]+(?:/[\w.-]+)*\.(?:py|js|toml|css|md|html|ts)|[\w.-]+(?:/[\w.-]+)*/)`")
BASES = (ROOT, ROOT / "lab", ROOT / "docs")
KNOWN = {path.name for folder in ("lab", "tests", "docs", "presets") for path in (ROOT / folder).rglob("*")}


def missing(text: str) -> list[str]:
    """Names that lead nowhere: a path from the root, from ``lab`` or from ``docs``; a bare name of any file or folder there."""
    names = [name.rstrip("/") for name in NAMED.findall(text)]
    return [name for name in names if name not in KNOWN and not any((base / name).exists() for base in BASES)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(NAMED.findall(text)) >= 1, "or nothing was looked at"
    assert missing(text) == []


def test_a_name_that_leads_nowhere_is_found() -> None:
    assert missing("`lab/core/recipes/common.py`, `core/groups.py`, `lab/core/no_such.py`, `nobody.toml`, `gone/`") == [
        "lab/core/no_such.py", "nobody.toml", "gone",
    ]  # fmt: skip


def test_five_how_to_pages_and_a_short_architecture() -> None:
    assert len(PAGES) == 7
    assert len((ROOT / "docs" / "architecture.md").read_text("utf-8").splitlines()) <= 150
