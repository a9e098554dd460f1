"""The command line of a recipe: a preset and what differs from it, for the page's form and for a run alike. It starts nothing."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.store.presets import PRESETS, load_preset, preset_names

NOT_TRAINED = ("about_en", "about_zh")
"""What a preset says of itself changes nothing in a run."""


def command_line(recipe: Mapping[str, Any], folder: Path = PRESETS) -> str | None:
    """``python -m lab train PRESET --set …`` with as few settings as can be; None where no preset is of its kind."""
    wanted = _flat(recipe)
    nearest: tuple[str, dict[str, Any]] | None = None
    for name, values in _presets(folder):
        if values["algorithm"] != recipe.get("algorithm") or set(values) != set(wanted):
            continue  # another kind, or a recipe of an earlier version of the lab
        changed = {key: value for key, value in wanted.items() if value != values[key] and key not in NOT_TRAINED}
        if any(value is None for value in changed.values()):
            continue  # TOML has no null
        if nearest is None or len(changed) < len(nearest[1]):
            nearest = (name, changed)
    return train_line(*nearest) if nearest else None


def train_line(preset: str, changed: Mapping[str, Any]) -> str:
    """``python -m lab train PRESET --set key=value …`` as a shell takes it."""
    parts = [part for key, value in changed.items() for part in ("--set", f"{key}={_plain(value)}")]
    return shlex.join(["python", "-m", "lab", "train", preset, *parts])


@cache
def _presets(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return list(_readable(folder))


def _readable(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in preset_names(folder):
        try:
            yield name, _flat(load_preset(name, folder).recipe.model_dump(mode="json"))
        except LabError:
            continue  # a broken preset is somebody's to mend; the page of a run does not fall over it


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values by dotted key, as ``--set`` names them; a list is one value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value})
    return found


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
