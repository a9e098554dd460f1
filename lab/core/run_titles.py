"""Tells runs of one name apart by what differs: settings beside the preset's, the start, the seed, the time.

The parts are written as ``--set`` writes them (``steps 40``), so they read the same in both languages; the word for a seed is given.
Not here: which runs there are (``lab/store/run_titles.py``).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_SHOWN = frozenset({"name", "about_en", "about_zh", "algorithm", "model", "seed"})
"""What is no setting, or is told in a part of its own."""
MOST_SETTINGS = 3
LONGEST_VALUE = 24


@dataclass(frozen=True)
class Named:
    """What a title is made of: a run's id, name, plain recipe, and when it was made (seconds since 1970)."""

    id: str
    name: str
    recipe: Mapping[str, Any]
    created: float


def distinctions(runs: Sequence[Named], presets: Mapping[str, Mapping[str, Any]], seed: str = "seed") -> dict[str, str]:
    """By id, what tells a run apart from others of its name; empty where the name does so alone.

    ``presets`` are plain recipes by name: settings are shown where they differ from the run's preset and not all runs of the name have
    them. Where settings, start and seed are the same too, the time tells. ``seed`` is the word that stands before a seed.
    """
    by_name: dict[str, list[Named]] = defaultdict(list)
    for run in runs:
        by_name[run.name].append(run)
    names = {f"run:{run.id}": run.name for run in runs}
    told: dict[str, str] = {}
    for name, alike in by_name.items():
        told |= {alike[0].id: ""} if len(alike) == 1 else _apart(alike, presets.get(name), names, seed)
    return told


def differences(recipes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings in which recipes differ: by dotted path, the value of each recipe (None where it has no such setting)."""
    flat = {run: flat_values(recipe) for run, recipe in recipes.items()}
    paths = dict.fromkeys(path for values in flat.values() for path in values if path not in ("about_en", "about_zh"))
    rows = {path: {run: values.get(path) for run, values in flat.items()} for path in paths}
    return {path: row for path, row in rows.items() if len({repr(value) for value in row.values()}) > 1}


def flat_values(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A recipe's values by dotted path; a list is one value."""
    flat: dict[str, Any] = {}
    for key, value in recipe.items():
        flat |= flat_values(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _apart(
    alike: Sequence[Named], preset: Mapping[str, Any] | None, names: Mapping[str, str], seed: str
) -> dict[str, str]:
    flat = {run.id: flat_values(run.recipe) for run in alike}
    usual = flat_values(preset) if preset else {}
    differing = [path for path in differences({run.id: run.recipe for run in alike}) if path not in NOT_SHOWN]
    starts = len({str(run.recipe.get("model")) for run in alike}) > 1
    seeds = len({run.recipe.get("seed") for run in alike}) > 1
    parts: dict[str, list[str]] = {}
    for run in alike:
        values = flat[run.id]
        changed = [path for path in differing if path in values and values[path] != usual.get(path)]
        more = len(changed) - MOST_SETTINGS
        parts[run.id] = [f"{path} {_brief(values[path], names)}" for path in changed[:MOST_SETTINGS]]
        parts[run.id] += [f"+{more}"] if more > 0 else []
        parts[run.id] += [f"← {_brief(values.get('model'), names)}"] if starts else []
        parts[run.id] += [f"{seed} {values.get('seed')}"] if seeds else []
    told = {run: " · ".join(each) for run, each in parts.items()}
    return {run.id: _timed(told[run.id], run, alike, told) for run in alike}


def _timed(part: str, run: Named, alike: Sequence[Named], told: Mapping[str, str]) -> str:
    """The part with the time of the run, where another run has the same part: as much of the time as tells them apart."""
    same = [other for other in alike if told[other.id] == part]
    if len(same) == 1:
        return part
    for form in ("%H:%M", "%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
        moment = _clock(form, run)
        if sum(_clock(form, other) == moment for other in same) == 1:
            break
    else:
        moment = run.id
    return f"{part} · {moment}" if part else moment


def _clock(form: str, run: Named) -> str:
    return time.strftime(form, time.localtime(run.created))


def _brief(value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, list):
        return "+".join(str(item.get("name", "?")) if isinstance(item, Mapping) else str(item) for item in value)
    text = f"{value:g}" if isinstance(value, float) else names.get(str(value), str(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
