"""The presets as the page offers them: those of ``presets/`` that validate, their titles in both languages.

Read once, at the start. A preset that does not validate is left out and its error kept, to be said where presets are
chosen: one broken file does not take the others along.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.store.presets import Preset, load_preset, preset_names
from lab.ui import form
from lab.ui.text import say


class Presets:
    """Presets by name, in the order of the course."""

    def __init__(self, folder: Path) -> None:
        self.by_name: dict[str, Preset] = {}
        self.errors: list[LabError] = []
        for name in preset_names(folder):
            try:
                self.by_name[name] = load_preset(name, folder)
            except LabError as error:
                self.errors.append(error)

    @property
    def names(self) -> list[str]:
        return list(self.by_name)

    def recipe(self, name: str) -> Recipe:
        """The recipe of a preset."""
        return self.by_name[name].recipe

    def translations(self, locale: str) -> dict[str, str]:
        """Titles for ``gr.I18n``, by ``preset.<name>``."""
        return {f"preset.{name}": title(name, preset.recipe, locale) for name, preset in self.by_name.items()}

    def nearest(self, recipe: Recipe) -> tuple[str, dict[str, Any]] | None:
        """The preset of the same algorithm that differs least from a recipe, and what differs from it."""
        wanted = form.entered(recipe)
        found = []
        for name, preset in self.by_name.items():
            if preset.recipe.algorithm == recipe.algorithm:
                edits = form.changes(preset.recipe, wanted)
                found.append((len(edits), name, edits))
        return min(found, key=lambda each: each[0])[1:] if found else None


def title(name: str, recipe: Recipe, locale: str) -> str:
    """``tiny/grpo`` reads *GRPO*, ``tiny/pretrain-base`` reads *Pretrain · base*; other models name themselves."""
    model, _, stem = name.rpartition("/")
    label = say(f"algorithm.{recipe.algorithm}", locale)
    variant = stem.removeprefix(recipe.algorithm).strip("-_").replace("-", " ")
    return " · ".join(part for part in ("" if model == "tiny" else model, label, variant) if part)
