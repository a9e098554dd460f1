"""A study's file: one clear sentence for each fault, and the recipe of each member."""

from __future__ import annotations

from typing import Any

import pytest

from lab.core.recipes import PpoRecipe, parse
from lab.core.studies import Study, member_recipe, parse_study
from lab.errors import RecipeError
from lab.store.presets import load_preset
from lab.words import LOCALES, word


def values(**more: Any) -> dict[str, Any]:
    words = {"en": "x", "zh": "x"}
    entries = [
        {"name": "sft", "label": words, "preset": "tiny/sft"},
        {"name": "rm", "label": words, "preset": "tiny/rm", "start": "sft"},
        {"name": "ppo", "label": words, "preset": "tiny/ppo", "start": "sft", "reward_model": "rm", "changes": {"steps": 7}},
    ]
    return {"name": "mine", "title": words, "about": words, "entries": entries, "seeds": [1, 2], **more}


def entry(**more: Any) -> dict[str, Any]:
    return {"name": "one", "label": {"en": "x", "zh": "x"}, "preset": "tiny/sft", **more}


@pytest.mark.parametrize(
    ("wrong", "key", "params"),
    [
        ({"seeds": [1, 1]}, "study_seed_twice", {"value": 1}),
        ({"seeds": [-1]}, "study_seed", {"value": -1}),
        ({"seeds": []}, "study_value", {"field": "seeds"}),
        ({"name": "No Name"}, "study_name", {"value": "No Name"}),
        ({"budget": {"kind": "seconds"}}, "study_budget", {"kind": "seconds", "amount": "0"}),
        ({"budget": {"amount": 3}}, "study_budget", {"kind": "recipes", "amount": "3"}),
        ({"color": "red"}, "study_unknown_key", {"field": "color"}),
        ({"entries": [entry(), entry()]}, "study_entry_twice", {"entry": "one"}),
        ({"entries": [entry(name="A b")]}, "study_entry_name", {"value": "A b"}),
        ({"entries": [entry(start="later"), entry(name="later")]}, "study_entry_needs", {"entry": "one", "value": "later"}),
        ({"entries": [entry(start="one")]}, "study_entry_needs", {"value": "one"}),
        ({"entries": [entry(changes={"seed": 3})]}, "study_change", {"field": "seed"}),
        ({"entries": [entry(changes={"model": "tiny"})]}, "study_change", {"field": "model"}),
        ({"entries": [{"name": "one", "label": {"en": "x", "zh": "x"}}]}, "study_missing_key", {"field": "entries.0.preset"}),
        ({"entries": [entry(stat="sft")]}, "study_unknown_key", {"field": "entries.0.stat"}),
    ],
)
def test_each_fault_has_its_sentence(wrong: dict[str, Any], key: str, params: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_study(values(**wrong), "mine.toml")
    assert raised.value.key == key
    assert params.items() <= raised.value.params.items()
    for locale in LOCALES:
        assert "mine.toml" in word(raised.value, locale) and "{" not in word(raised.value, locale)


def test_the_recipe_of_a_member() -> None:
    study: Study = parse_study(values(), "mine")
    preset = load_preset("tiny/ppo").recipe
    runs = {"sft": "20260101-000000-aaaa", "rm": "20260101-000000-bbbb"}
    recipe = member_recipe(study, study.entry("ppo"), preset, 2, runs)
    assert isinstance(recipe, PpoRecipe)
    assert (recipe.model, recipe.reward_model) == (f"run:{runs['sft']}", f"run:{runs['rm']}")
    assert (recipe.seed, recipe.steps, recipe.dataset) == (2, 7, "equations")


def test_a_budget_bounds_every_member() -> None:
    study = parse_study(values(budget={"kind": "tokens_trained", "amount": 5000}), "mine")
    recipe = member_recipe(study, study.entry("sft"), load_preset("tiny/sft").recipe, 1, {})
    assert recipe.spending_limits == {"tokens_trained": 5000}
    assert parse({"algorithm": "sft"}).spending_limits == {}


def test_a_setting_that_there_is_not_names_study_and_entry() -> None:
    study = parse_study(values(entries=[entry(changes={"stepz": 3})]), "mine")
    with pytest.raises(RecipeError) as raised:
        member_recipe(study, study.entries[0], load_preset("tiny/sft").recipe, 1, {})
    assert raised.value.params["source"] == "mine, one"


def test_no_such_entry() -> None:
    with pytest.raises(RecipeError) as raised:
        parse_study(values(), "mine").entry("grpo")
    assert raised.value.key == "study_no_entry"
