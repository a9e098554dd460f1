"""The command line of a recipe: a preset and the settings that differ from it. It starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lab.core.command_line import train_line
from lab.core.run_titles import flat_values
from lab.errors import LabError
from lab.store.presets import PRESETS, load_preset, preset_names

NOT_TRAINED = ("about_en", "about_zh")
"""A preset's descriptions, which change nothing in a run."""


def command_line(recipe: Mapping[str, Any], folder: Path = PRESETS) -> str | None:
    """``python -m lab train PRESET --set …`` with as few settings as can be; None where no preset is of its kind."""
    wanted = flat_values(recipe)
    nearest: tuple[str, dict[str, Any]] | None = None
    for name, values in _presets(folder).items():
        if values["algorithm"] != recipe.get("algorithm") or set(values) != set(wanted):
            continue  # another kind, or a recipe of an earlier version of the lab
        changed = {key: value for key, value in wanted.items() if value != values[key] and key not in NOT_TRAINED}
        if any(value is None for value in changed.values()):
            continue  # TOML has no null
        if nearest is None or len(changed) < len(nearest[1]):
            nearest = (name, changed)
    return train_line(*nearest) if nearest else None


@cache
def _presets(folder: Path) -> dict[str, dict[str, Any]]:
    presets = {}
    for name in preset_names(folder):
        with suppress(LabError):  # a broken preset is somebody's to mend; the page of a run does not fall over it
            presets[name] = flat_values(load_preset(name, folder).recipe.model_dump(mode="json"))
    return presets
