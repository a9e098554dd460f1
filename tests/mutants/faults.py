"""The faults that the tests must notice: read from ``faults/*.toml``, and put into a copy of the tree.

A fault names a place (a file, or a folder whose files are searched), a text that stands there exactly once, the text to put in its
stead, and the tests that must fail then. A text that is no longer there is an error, so that the lists stay true.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTS = Path(__file__).parent / "faults"
SUFFIXES = {".py", ".js"}


@dataclass(frozen=True)
class Fault:
    """One realistic mistake. ``tests`` are files or ids of tests; one of them must fail while the fault is in."""

    what: str
    place: str
    find: str
    put: str
    tests: tuple[str, ...]

    def file(self, root: Path) -> Path:
        """The file under ``root`` that holds the text. Raises ValueError where it stands nowhere, or more than once."""
        places = [path for path in _sources(root / self.place) for _ in range(path.read_text("utf-8").count(self.find))]
        if len(places) != 1:
            raise ValueError(f"stands {len(places)} times in {self.place}, not once: {self.find!r}")
        return places[0]

    def missing_tests(self, root: Path) -> list[str]:
        """The test files that do not exist."""
        return [test for test in self.tests if not (root / test.partition("::")[0]).exists()]


def read_faults(words: list[str]) -> list[Fault]:
    """All faults, or those whose list, place or description contains one of the words."""
    faults: list[Fault] = []
    for path in sorted(LISTS.glob("*.toml")):
        for row in tomllib.loads(path.read_text("utf-8"))["fault"]:
            fault = Fault(**row | {"tests": tuple(row["tests"])})
            if not words or any(word in f"{path.stem} {fault.place} {fault.what}" for word in words):
                faults.append(fault)
    return faults


def wrong_entries(faults: list[Fault], root: Path) -> Iterator[str]:
    """A line for each fault that cannot be put in, or whose tests are not there."""
    for fault in faults:
        try:
            fault.file(root)
        except ValueError as error:
            yield f"{fault.what}: {error}"
        for test in fault.missing_tests(root):
            yield f"{fault.what}: there is no {test}"


def _sources(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if path.suffix in SUFFIXES and "vendor" not in path.parts)
