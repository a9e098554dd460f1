"""What was measured of this machine since it was started: small files under ``LAB_HOME/cache/machine``, which may be deleted at any time."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.store.lines import read_json, write_first, write_json


def kept(home: Path, name: str) -> dict[str, Any] | None:
    """What is kept under a name, or None."""
    values = read_json(_file(home, name))
    return values if isinstance(values, dict) else None


def kept_or_measured(home: Path, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is kept, else what is measured now and kept: whoever asks again, in another process, too, gets the same."""
    if (values := kept(home, name)) is not None:
        return values
    place = _file(home, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    values = measure()
    write_first(place, json.dumps(values))
    if kept(home, name) is None:  # what was there is broken
        write_json(place, values, durable=False)
    return kept(home, name) or {}


def _file(home: Path, name: str) -> Path:
    return home / "cache" / "machine" / f"{_boot()}-{name}.json"


def _boot() -> str:
    """What changes when the machine is started anew or is another one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "".join(letter for letter in platform.node() if letter.isalnum()) or "here"
