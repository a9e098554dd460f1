"""Finds the base of an adapter again after its home, or the checkout with the shipped model, has moved to another path.

peft records a base by its absolute path. A home that was renamed, mounted elsewhere or copied to another machine keeps its own layout, so
the end of that path (``models/NAME``, ``runs/ID/model``) names the same folder in the home where the adapter lies now. Nothing is
rewritten. Not here: a base that is still where the adapter says, or one from the hub (``models.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_IN_HOME = re.compile(r"(?:^|[/\\])(models[/\\][\w.-]+|runs[/\\][\w-]+[/\\](?:model|checkpoints[/\\]step-\d+))[/\\]?$")


def moved_base(named: str, adapter: Path, home: Path, shipped: Mapping[str, Path]) -> Path | None:
    """Where the base ``named`` in an adapter's configuration lies now; None where it is not found.

    A folder of the home counts only for an adapter in that same home: elsewhere, ``models/NAME`` may be anybody's. ``shipped`` are the
    models of the checkout by name, which lie in ``presets/NAME/base``.
    """
    for name, folder in shipped.items():
        if Path(named.replace("\\", "/")).parts[-3:] == ("presets", name, "base") and folder.is_dir():
            return folder
    if not adapter.resolve().is_relative_to(home.resolve()):
        return None
    within = path_in_home(named)
    if not within or not (home / within).is_dir():
        return None
    return home / within


def path_in_home(named: str) -> str | None:
    """The end of an absolute path that lies within a home, with forward slashes: ``runs/ID/model`` or ``models/NAME``."""
    match = _IN_HOME.search(named)
    return match[1].replace("\\", "/") if match else None
