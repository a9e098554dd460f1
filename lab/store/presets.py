"""Presets: recipes in files of ``presets/``, one runnable TOML a file. Reads them; what is valid stands in core."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.recipes import RECIPES, Recipe, parse
from lab.errors import RecipeError

PRESETS = Path(__file__).resolve().parents[2] / "presets"


@dataclass(frozen=True)
class Preset:
    """A preset's name (``tiny/grpo``), its file, and the recipe in it."""

    name: str
    path: Path
    recipe: Recipe


def load_preset(name_or_path: str | Path, folder: Path = PRESETS) -> Preset:
    """A preset by name (``tiny/grpo``) or by path; RecipeError where there is none or it does not validate."""
    path = Path(name_or_path)
    if not path.is_file():
        path = folder / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(preset_names(folder))
        raise RecipeError("preset_missing", value=str(name_or_path), known=known)
    return Preset(_name(path, folder), path, parse(_with_data_beside(read_toml(path), path), source=str(name_or_path)))


def _with_data_beside(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values, with the place of a data file that lies beside the preset's own and not where the lab was started."""
    name = values.get("dataset")
    if not isinstance(name, str) or not name or Path(name).exists() or not (path.parent / name).is_file():
        return values
    return values | {"dataset": str((path.parent / name).resolve())}


def read_toml(path: Path) -> dict[str, Any]:
    """The plain values of a TOML file; RecipeError naming the place where it is no TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError("preset_not_toml", source=str(path), why=str(error)) from None


def preset_names(folder: Path = PRESETS) -> list[str]:
    """All presets by name, in the order of the course: pretrain, sft, then the rest."""
    order = {name: number for number, name in enumerate(RECIPES)}
    names = [_name(path, folder) for path in folder.glob("*/*.toml") if path.parent.name != "studies"]
    return sorted(
        names,
        key=lambda name: (
            name.split("/")[0] != "tiny",
            name.split("/")[0],
            order.get(name.split("/")[1], len(order)),
            name,
        ),
    )


def _name(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).with_suffix("").as_posix()
    except ValueError:
        return path.stem
