"""Studies: several recipes on the same base, prompts and budget, trained for several seeds, made to be compared.

A study's file is TOML in ``presets/studies/`` (docs/compare.md). Here: what is valid, and the recipe of one member (an entry for one
seed). Not here: reading files (``lab/store/studies.py``), which runs are there already (``lab/compare/members.py``), training
(``lab/runs/studies.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe, with_values
from lab.core.recipes.fields import Strict, dotted, first_problem
from lab.errors import RecipeError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}(/[a-z0-9][a-z0-9._-]{0,39})?")
MOST_SEEDS = 50
MOST_ENTRIES = 40
LONGEST_RUN_NAME = 80


class Words(Strict):
    """A text in both languages."""

    en: str = Field(min_length=1, max_length=400)
    zh: str = Field(min_length=1, max_length=400)

    def of(self, locale: str) -> str:
        """The text in a language."""
        return self.zh if locale.lower().startswith("zh") else self.en


class BudgetKind(StrEnum):
    """What every member of a study may spend."""

    RECIPES = "recipes"
    """As many steps as each recipe says."""
    SECONDS = "seconds"
    """Seconds of training."""
    TOKENS_TRAINED = "tokens_trained"
    TOKENS_GENERATED = "tokens_generated"


class Budget(Strict):
    """A budget of each member; its steps are then only the most that it may take."""

    kind: BudgetKind = BudgetKind.RECIPES
    amount: float = Field(0, ge=0, le=1e12)

    @model_validator(mode="after")
    def _has_an_amount(self) -> Budget:
        if (self.kind is BudgetKind.RECIPES) != (self.amount == 0):
            raise PydanticCustomError("study_budget", "amount", {"kind": self.kind.value, "amount": f"{self.amount:g}"})
        return self


class Entry(Strict):
    """One line of a study: a preset with changes, and the earlier entries that it starts from."""

    name: str
    label: Words
    preset: str = Field(min_length=1, max_length=400)
    changes: dict[str, Any] = Field(default_factory=dict)
    """Settings of the recipe, dotted where they are nested (``threshold.kind``)."""
    start: str = ""
    """The entry whose model this one starts from; empty: the study's base."""
    reward_model: str = ""
    """The entry whose reward model rewards this one."""
    data: str = ""
    """The entry whose groups become this one's preferences."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise PydanticCustomError("study_entry_name", "no name", {"value": name[:60]})
        return name

    @field_validator("changes")
    @classmethod
    def _leaves_to_the_study_what_is_its_own(cls, changes: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted({"model", "seed", "reward_model"} & changes.keys()):
            raise PydanticCustomError("study_change", "the study's own", {"field": taken[0]})
        return changes

    @property
    def needs(self) -> tuple[str, ...]:
        """The entries that must have ended before this one can begin, in the order of the chain."""
        return tuple(dict.fromkeys(name for name in (self.start, self.reward_model, self.data) if name))


class Study(Strict):
    """A study, validated: every entry comes after those that it needs."""

    name: str
    title: Words
    about: Words
    base: str = Field("tiny", min_length=1, max_length=400)
    prompts: str = Field("equations", min_length=1, max_length=400)
    """The data of each entry that names none of its own."""
    budget: Budget = Budget()
    seeds: tuple[int, ...] = Field((1, 2, 3), min_length=1, max_length=MOST_SEEDS)
    entries: tuple[Entry, ...] = Field(min_length=1, max_length=MOST_ENTRIES)

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not STUDY_NAME.fullmatch(name):
            raise PydanticCustomError("study_name", "no name", {"value": name[:80]})
        return name

    @field_validator("seeds")
    @classmethod
    def _are_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [seed for seed in seeds if not 0 <= seed < 2**31]:
            raise PydanticCustomError("study_seed", "no seed", {"value": wrong[0]})
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            raise PydanticCustomError("study_seed_twice", "twice", {"value": twice[0]})
        return seeds

    @model_validator(mode="after")
    def _entries_come_after_what_they_need(self) -> Study:
        earlier: list[str] = []
        for entry in self.entries:
            if entry.name in earlier:
                raise PydanticCustomError("study_entry_twice", "twice", {"entry": entry.name})
            if missing := [name for name in entry.needs if name not in earlier]:
                context = {"entry": entry.name, "value": missing[0], "known": ", ".join(earlier) or "–"}
                raise PydanticCustomError("study_entry_needs", "not there yet", context)
            earlier.append(entry.name)
        return self

    def entry(self, name: str) -> Entry:
        """The entry of that name. Raises RecipeError ``study_no_entry``."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise RecipeError("study_no_entry", study=self.name, value=name, known=", ".join(e.name for e in self.entries))

    def with_seeds(self, seeds: tuple[int, ...]) -> Study:
        """The same study for other seeds. Raises RecipeError."""
        return parse_study({**self.model_dump(mode="json"), "seeds": list(seeds)}, self.name)


def parse_study(values: Mapping[str, Any], source: str) -> Study:
    """A study from plain values; RecipeError (one sentence, the first thing wrong) where they do not fit. ``source`` names the file."""
    try:
        return Study.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "missing":
            raise RecipeError("study_missing_key", source=source, field=dotted(problem["loc"])) from None
        raise first_problem(problem, "study", source, lambda place: _unknown_key(place, source)) from None


def member_recipe(study: Study, entry: Entry, preset: Recipe, seed: int, runs: Mapping[str, str]) -> Recipe:
    """The recipe of an entry for one seed; ``runs`` gives the run of each entry that it needs. Raises RecipeError."""
    changes: dict[str, Any] = {"model": f"run:{runs[entry.start]}" if entry.start else study.base}
    if algorithm_of(preset).starts_from_model:
        changes["dataset"] = f"groups:{runs[entry.data]}" if entry.data else study.prompts
    else:
        changes = {}
    if entry.reward_model:
        changes["reward_model"] = f"run:{runs[entry.reward_model]}"
    if study.budget.kind is not BudgetKind.RECIPES:
        changes[f"max_{study.budget.kind}"] = study.budget.amount
    name = f"{entry.label.en} · {study.name} · seed {seed}"[:LONGEST_RUN_NAME]
    changes |= {**entry.changes, "seed": seed, "name": name}
    return with_values(preset, changes, source=f"{study.name}, {entry.name}")


def _unknown_key(place: tuple[Any, ...], source: str) -> RecipeError:
    models: dict[str, type[Strict]] = {"entries": Entry, "budget": Budget, "title": Words, "about": Words}
    model = models.get(str(place[0]), Study) if len(place) > 1 else Study
    return RecipeError("study_unknown_key", source=source, field=dotted(place), known=", ".join(model.model_fields))
