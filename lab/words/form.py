"""The form of a recipe, derived from the recipe models: which fields make sense together, and what was typed as a recipe.

Labels, helps, bounds and defaults stand on the fields of ``lab/core/recipes``. Not here: the components that enter a field
(``ui/tabs/train/fields.py``; the command line reads this module, and loads no Gradio), events and layout (``tabs/train/``), what
was typed for which preset (``draft.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lab.core.command_line import train_line
from lab.core.recipes import RECIPES, Recipe, Section, snap_to_multiple, with_values

FRONT = (
    *("model", "dataset", "reward_model", "rules", "steps", "learning_rate", "group_size", "batch_size"),
    *("threshold.kind", "threshold.fraction", "training"),
)
"""The fields that stand in view, in this order; all others stand under *More settings*, section by section."""

ONLY_IF: Mapping[str, tuple[str, str]] = {
    "threshold.fraction": ("threshold.kind", "top_fraction"),
    "scale_rewards": ("baseline", "mean"),
    "lora_rank": ("training", "lora"),
    "lora_alpha": ("training", "lora"),
    "load_in_4bit": ("training", "lora"),
    "rollout_memory": ("rollouts", "vllm"),
    "importance_correction": ("rollouts", "vllm"),
    "importance_cap": ("rollouts", "vllm"),
}
"""Fields that say something only while another field has this value; they are hidden otherwise."""

MULTIPLE_OF: Mapping[str, str] = {"batch_size": "group_size"}
"""Where a recipe has both fields, the first snaps to a multiple of the second."""

RULES = "rules"
"""The field whose value is a whole rule set; the form holds it as one text (``rules_text``)."""

CHOOSERS = ("model", "dataset", "reward_model", "watch_preferences", RULES)
"""Text fields that offer what the lab has, and take anything else as well."""


@dataclass(frozen=True)
class FormField:
    """One field of one algorithm's form; ``path`` is dotted, as on the command line."""

    algorithm: str
    path: str
    info: FieldInfo

    @property
    def section(self) -> Section:
        return Section(self._extra["section"])

    @property
    def front(self) -> bool:
        """Whether it stands in view, and not under *More settings*."""
        return self.path in FRONT

    @property
    def kind(self) -> Any:
        return self.info.annotation

    @property
    def words(self) -> dict[str, dict[str, str]]:
        """``{"label": {"en", "zh"}, "help": {"en", "zh"}}``."""
        return {"label": self._extra["label"], "help": self._extra["help"]}

    @property
    def key(self) -> str:
        """What its words are called in the translations: without the algorithm where all algorithms say the same."""
        return f"field.{self.path}" if shared_words(self.path) else f"field.{self.algorithm}.{self.path}"

    def bound(self, *names: str) -> float | None:
        """The first of these bounds (``ge``, ``gt``, ``le``, ``lt``) that the model sets."""
        values = (getattr(mark, name, None) for name in names for mark in self.info.metadata)
        return next((value for value in values if value is not None), None)

    @property
    def _extra(self) -> dict[str, Any]:
        assert isinstance(self.info.json_schema_extra, dict)
        return dict(self.info.json_schema_extra)


@cache
def fields(algorithm: str) -> tuple[FormField, ...]:
    """The fields of an algorithm's form: by section, and within one as the model has them."""
    form_fields = [FormField(algorithm, path, info) for path, info in _walk(RECIPES[algorithm])]
    return tuple(sorted(form_fields, key=lambda field: list(Section).index(field.section)))


def _walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name}.")
        elif isinstance(info.json_schema_extra, dict) and "section" in info.json_schema_extra:
            yield f"{prefix}{name}", info


@cache
def shared_words(path: str) -> bool:
    """Whether every algorithm that has the field has the same words for it."""
    every = [field.words for name in RECIPES for field in fields(name) if field.path == path]
    return all(words == every[0] for words in every)


def translations() -> dict[str, dict[str, str]]:
    """Labels and helps of every field, by language and key."""
    table: dict[str, dict[str, str]] = {"en": {}, "zh": {}}
    for name in RECIPES:
        for field in fields(name):
            for part, by_language in field.words.items():
                for language, text in by_language.items():
                    table[language][f"{field.key}.{part}"] = text
    return table


def visible(field: FormField, values: Mapping[str, Any]) -> bool:
    """Whether a field says something, given what stands in the others."""
    condition = ONLY_IF.get(field.path)
    return condition is None or str(values.get(condition[0])) == condition[1]


def entered(recipe: Recipe) -> dict[str, Any]:
    """What the form holds for a recipe, by path, in the order of the fields."""
    plain = recipe.model_dump(mode="json")
    values = {field.path: _at(plain, field.path) for field in fields(recipe.algorithm)}
    return {**values, RULES: rules_text(values[RULES])} if RULES in values else values


def changes(recipe: Recipe, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed that differs from the recipe, by path; a figure that is whole becomes a whole number."""
    before = entered(recipe)
    tidy = {field.path: _tidy(field, typed[field.path]) for field in fields(recipe.algorithm) if field.path in typed}
    return {path: value for path, value in tidy.items() if value != before[path]}


def valid_combination(recipe: Recipe, edits: Mapping[str, Any]) -> dict[str, Any]:
    """The edits as they count: batches snapped to a multiple, and hidden fields without a say."""
    values = {**entered(recipe), **edits}
    counted = dict(edits)
    for path, value in snapped(recipe, edits).items():
        if value != values[path]:
            counted[path] = value
    for field in fields(recipe.algorithm):
        if not visible(field, values):
            counted.pop(field.path, None)
            if field.kind is bool and entered(recipe)[field.path]:
                counted[field.path] = False  # hidden is off
    return counted


def snapped(recipe: Recipe, edits: Mapping[str, Any]) -> dict[str, int]:
    """Of the fields that must be a multiple of another one, what counts. What was typed stays what it was: where the other field is
    changed back, it counts again as typed."""
    values, counted = {**entered(recipe), **edits}, {}
    for path, unit_path in MULTIPLE_OF.items():
        value, unit = values.get(path), values.get(unit_path)
        if isinstance(value, int) and isinstance(unit, int) and value >= 1 and unit >= 1:
            counted[path] = snap_to_multiple(value, unit)
    return counted


def rules_text(rules: Sequence[Mapping[str, Any]]) -> str:
    """A recipe's rules as one text: equal texts are the same rules, to the letter of their sources."""
    return json.dumps(list(rules), ensure_ascii=False, separators=(",", ":"))


def rules_of(text: Any) -> Any:
    """The rules that a text stands for; what is none stays as it is, for the recipe to refuse."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def recipe_from(recipe: Recipe, edits: Mapping[str, Any], source: str) -> Recipe:
    """The preset's recipe with the edits. Raises RecipeError, which names the field."""
    return with_values(recipe, _as_values(valid_combination(recipe, edits)), source)


def _as_values(edits: Mapping[str, Any]) -> dict[str, Any]:
    return {path: rules_of(value) if path == RULES else value for path, value in edits.items()}


def command(preset: str, recipe: Recipe, edits: Mapping[str, Any]) -> str:
    """The line that does the same without the page: only what differs from the preset."""
    start = entered(recipe)
    changed = {path: value for path, value in valid_combination(recipe, edits).items() if value != start[path]}
    return train_line(preset, {path: "" if value is None else value for path, value in _as_values(changed).items()})


def in_view(algorithm: str) -> list[FormField]:
    """The fields in view, in their order."""
    return sorted((field for field in fields(algorithm) if field.front), key=lambda field: FRONT.index(field.path))


def by_section(chosen: Sequence[FormField]) -> Iterator[tuple[Section, list[FormField]]]:
    """The fields section by section, without the empty ones."""
    for section in Section:
        if members := [field for field in chosen if field.section is section]:
            yield section, members


def _tidy(field: FormField, value: Any) -> Any:
    if field.kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if field.kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value.strip() if isinstance(value, str) else value


def _at(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for part in path.split("."):
        value = value[part]
    return value
