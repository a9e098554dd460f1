"""A recipe's command line: a preset and what differs from it. Which preset is nearest is ``lab/runs/command_line.py``'s."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any


def train_line(preset: str, changed: Mapping[str, Any]) -> str:
    """``python -m lab train PRESET --set key=value …`` as a shell takes it."""
    parts = [part for key, value in changed.items() for part in ("--set", f"{key}={_plain(value)}")]
    return shlex.join(["python", "-m", "lab", "train", preset, *parts])


def _plain(value: Any) -> str:
    """The value as ``--set`` reads it: as TOML, or as the text itself where that is no TOML."""
    if isinstance(value, str):
        try:
            tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            return value
    return _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, float):
        text = repr(value)
        return text if any(letter in text for letter in ".n") or "e" not in text else text.replace("e", ".0e")
    return json.dumps(value, ensure_ascii=False)
