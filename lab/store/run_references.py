"""Which runs need another one: by what their recipes name, or because their model is an adapter on it.

Reads recipes and model folders; decides nothing about deletion itself (``runs.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.store.lines import read_json
from lab.store.models import path_in_home

_NAMED = re.compile(r"(?:run|groups):(\d{8}-\d{6}-[a-z0-9]{4})(?:@\d+)?")


def named_runs(recipe: Mapping[str, Any]) -> set[str]:
    """The ids of the runs that a recipe names in any of its fields: ``run:ID``, ``run:ID@STEP``, ``groups:ID``."""
    return {match[1] for value in _texts(recipe) if (match := _NAMED.fullmatch(value))}


def stands_on(folder: Path, base: Path) -> bool:
    """Whether the model of the run in ``folder``, or a checkpoint of it, is an adapter on a model in the run folder ``base``."""
    adapters = [folder / "model", *(folder / "checkpoints").glob("step-*")]
    return any(_base_of(adapter, base) for adapter in adapters)


def _base_of(adapter: Path, base: Path) -> bool:
    config = read_json(adapter / "adapter_config.json")
    named = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if not named:
        return False
    within = path_in_home(str(named)) or ""  # what it says where the home has moved since
    return Path(str(named)).resolve().is_relative_to(base.resolve()) or within.startswith(f"runs/{base.name}/")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
