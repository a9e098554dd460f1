"""No library that the lab needs at run time forbids what the lab's own licence (Apache-2.0) allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
COPYLEFT = re.compile(r"\b(AGPL|GPL|SSPL|BUSL|CC-BY-NC|GNU (Affero )?General Public)", re.IGNORECASE)
"""Not the LGPL: it may be used as a library. ``\\b`` keeps it out, as no boundary stands before its G."""


def pinned() -> Iterator[str]:
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("==")[0].split("[")[0]


def closure(names: Iterator[str]) -> set[str]:
    """These distributions and whatever they need on this machine, by canonical name."""
    seen: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # needed on another platform only
        seen.add(name)
        wanted = [Requirement(need) for need in needs]
        waiting += [
            canonicalize_name(need.name)
            for need in wanted
            if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
    return seen


def licence(name: str) -> str:
    """What a distribution says of its licence: the expression where there is one, else the classifiers, else the text's first line."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [line for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    return "; ".join(classifiers) or (about.get("License") or "").strip().split("\n")[0]


def forbids(text: str) -> bool:
    """Whether every alternative of a licence expression is copyleft (``MIT OR GPL-2.0`` leaves a choice)."""
    return all(COPYLEFT.search(choice) for choice in re.split(r"\bOR\b", text)) if text else False


def test_the_check_tells_licences_apart() -> None:
    assert forbids("GPL-3.0-or-later")
    assert forbids("License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert not forbids("MIT OR GPL-2.0-only")
    assert not forbids("LGPL-2.1-or-later")
    assert not forbids("Apache-2.0")


def test_no_runtime_dependency_forbids_the_labs_licence() -> None:
    names = closure(pinned())
    assert len(names) > 60
    found = {name: licence(name) for name in names}
    assert {name: text for name, text in found.items() if forbids(text)} == {}
    unknown = {name for name, text in found.items() if not text}
    assert unknown == set()


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -r requirements-ray.txt")
def test_no_dependency_of_ray_does() -> None:
    needs = [Requirement(need) for need in metadata.requires("ray") or []]
    wanted = [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": "default"})]
    found = {name: licence(name) for name in closure(iter(["ray", *wanted]))}
    assert len(found) > 30 and all(found.values())
    assert {name: text for name, text in found.items() if forbids(text)} == {}


def test_the_lab_has_its_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
