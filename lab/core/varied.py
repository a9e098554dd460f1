"""A study made of one recipe: the same for several seeds, or with one field at several values. Pure; nothing is started here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab.core.recipes import Recipe
from lab.core.run_titles import flat_values
from lab.core.studies import Study, parse_study
from lab.errors import InputError

MOST_RUNS = 100
STUDYS_OWN = frozenset({"name", "about_en", "about_zh", "algorithm", "model", "dataset", "seed", "reward_model"})
"""What a study sets itself, or what is no setting."""
NO_NAME = re.compile(r"[^a-z0-9]+")


def varied(
    name: str,
    preset: str,
    usual: Recipe,
    recipe: Recipe,
    seeds: Sequence[int],
    field: str = "",
    values: Sequence[Any] = (),
) -> Study:
    """The study of ``recipe``, which came of the preset ``usual``: an entry for each value of ``field``, or one where none is varied.

    Raises InputError ``vary_values``, ``vary_too_many``, ``vary_reward_model``; RecipeError where the study does not validate.
    """
    if field and not values:
        raise InputError("vary_values", field=field)
    if len(seeds) * max(1, len(values)) > MOST_RUNS:
        raise InputError("vary_too_many", count=len(seeds) * len(values), most=MOST_RUNS)
    plain = recipe.model_dump(mode="json")
    if plain.get("reward_model"):
        raise InputError("vary_reward_model", value=plain["reward_model"])
    before, now = flat_values(usual.model_dump(mode="json")), flat_values(plain)
    changed = {path: value for path, value in now.items() if value != before.get(path) and path not in STUDYS_OWN}
    entries = [_entry(preset, changed, field, value) for value in values] or [_entry(preset, changed, "", None)]
    return parse_study(
        {
            "name": study_slug(name),
            "title": {"en": name.strip() or preset, "zh": name.strip() or preset},
            "about": {"en": _about(preset, field, values), "zh": _about(preset, field, values)},
            "base": str(plain.get("model") or "tiny"),
            "prompts": str(plain.get("dataset") or "equations"),
            "seeds": list(seeds),
            "entries": entries,
        },
        name,
    )


def study_slug(name: str) -> str:
    """The name of a study, in small letters, of what somebody typed; ``study`` where no letter is left."""
    return NO_NAME.sub("-", name.lower()).strip("-")[:40] or "study"


def parse_seeds(text: str) -> tuple[int, ...]:
    """``1, 2, 3`` as seeds. Raises InputError ``vary_seeds``."""
    parts = [part for part in re.split(r"[,，\s]+", text.strip()) if part]
    if not parts or not all(part.isdecimal() for part in parts):
        raise InputError("vary_seeds", value=text[:60])
    return tuple(int(part) for part in parts)


def parse_values(text: str) -> list[Any]:
    """What was typed, parted by commas: numbers and true or false as such, anything else as text; each once."""
    parts = [part.strip() for part in re.split(r"[,，]", text) if part.strip()]
    values: list[Any] = []
    for part in parts:
        try:
            value = json.loads(part.lower() if part in ("True", "False") else part)
        except ValueError:
            value = part
        if repr(value) not in map(repr, values):  # 1 is no True
            values.append(value)
    return values


def _entry(preset: str, changed: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    label = (
        f"{field} {value:g}" if isinstance(value, float) else f"{field} {value}" if field else preset.rpartition("/")[2]
    )
    changes = {**changed, **({field: value} if field else {})}
    return {"name": study_slug(label), "label": {"en": label, "zh": label}, "preset": preset, "changes": changes}


def _about(preset: str, field: str, values: Sequence[Any]) -> str:
    return f"{preset}; {field}: {', '.join(map(str, values))}" if field else preset
