"""Which runs are a study's members: by recipe, data and start, and not by name or by who started them."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from lab.compare.members import check_study, member_runs, members
from lab.core.recipes import Recipe, with_values
from lab.core.studies import Study, member_recipe, parse_study
from lab.data.datasets import load
from lab.errors import RecipeError
from lab.store.models import SHIPPED
from lab.store.presets import load_preset
from lab.store.runs import Run, RunState, Store

WORDS = {"en": "x", "zh": "x"}


def study(*entries: dict[str, Any], seeds: tuple[int, ...] = (1,)) -> Study:
    every = [{"label": WORDS, **entry} for entry in entries]
    return parse_study({"name": "t", "title": WORDS, "about": WORDS, "entries": every, "seeds": list(seeds)}, "t")


SFT = {"name": "sft", "preset": "tiny/sft", "changes": {"steps": 3}}
GRPO = {"name": "grpo", "preset": "tiny/grpo", "start": "sft", "changes": {"steps": 2}}


def finished(store: Store, recipe: Recipe, *, model: bool = True, state: RunState = RunState.FINISHED) -> Run:
    """A run of that recipe that has ended, with a model of its own."""
    run = store.create_run(recipe, dataset_hash=load(recipe, store.home).content_hash)
    if model:
        shutil.copytree(SHIPPED["tiny"], store.folder(run.id).model_path)
    store.change(run.id, state=state)
    return store.run(run.id)


def recipe_of(a_study: Study, name: str, store: Store, **runs: str) -> Recipe:
    entry = a_study.entry(name)
    return member_recipe(a_study, entry, load_preset(entry.preset).recipe, a_study.seeds[0], runs)


def test_a_run_that_is_there_is_the_member(store: Store) -> None:
    a_study = study(SFT, GRPO)
    assert [(m.run, m.waits_for) for m in members(a_study, store)] == [(None, ""), (None, "sft")]
    run = finished(store, recipe_of(a_study, "sft", store))
    first, second = members(a_study, store)
    assert first.run is not None and first.run.id == run.id and first.finished
    assert second.recipe is not None and second.recipe.model == f"run:{run.id}"
    assert member_runs([first, second]) == ([run.id], {run.id: ("sft", "x")})


@pytest.mark.parametrize("changes", [{"name": "another name"}, {"save_every": 7}, {"about_en": "words"}])
def test_what_trains_nothing_else_does_not_count(store: Store, changes: dict[str, Any]) -> None:
    a_study = study(SFT)
    run = finished(store, with_values(recipe_of(a_study, "sft", store), changes))
    assert [member.run and member.run.id for member in members(a_study, store)] == [run.id]


@pytest.mark.parametrize("changes", [{"seed": 2}, {"steps": 4}, {"learning_rate": 0.01}, {"measure_samples": 16}])
def test_another_recipe_is_another_run(store: Store, changes: dict[str, Any]) -> None:
    a_study = study(SFT)
    finished(store, with_values(recipe_of(a_study, "sft", store), changes))
    assert [member.run for member in members(a_study, store)] == [None]


def test_a_start_counts_by_content_and_not_by_name(store: Store) -> None:
    a_study = study(SFT, GRPO)
    first = finished(store, recipe_of(a_study, "sft", store))
    twin = finished(
        store, recipe_of(a_study, "sft", store)
    )  # the same content under another id; the newest is the member
    grpo = finished(store, recipe_of(a_study, "grpo", store, sft=first.id), model=False)
    assert [m.run.id for m in members(a_study, store) if m.run] == [twin.id, grpo.id]
    with (store.folder(first.id).model_path / "model.safetensors").open("ab") as file:
        file.write(b"other")
    assert members(a_study, store)[1].run is None


def test_other_data_are_another_run(store: Store) -> None:
    a_study = study(SFT)
    run = finished(store, recipe_of(a_study, "sft", store))
    folder = store.folder(run.id)
    folder.write("recipe.json", {**folder.recipe(), "dataset_hash": "sha256:other"})
    assert members(a_study, store)[0].run is None


def test_of_several_the_furthest_counts(store: Store) -> None:
    a_study = study(SFT)
    done = finished(store, recipe_of(a_study, "sft", store))
    finished(store, recipe_of(a_study, "sft", store), state=RunState.FAILED)
    found = members(a_study, store)[0].run
    assert found is not None and found.id == done.id


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ([SFT, {"name": "a", "preset": "tiny/ppo", "reward_model": "sft"}], "study_not_a_reward_model"),
        ([SFT, {"name": "a", "preset": "tiny/grpo", "reward_model": "sft"}], "study_reward_model"),
        ([SFT, {"name": "a", "preset": "tiny/dpo", "data": "sft"}], "study_no_groups"),
        ([{"name": "rm", "preset": "tiny/rm"}, {"name": "a", "preset": "tiny/dpo", "start": "rm"}], "study_no_model"),
        ([{"name": "a", "preset": "tiny/nothing"}], "preset_missing"),
        ([{"name": "a", "preset": "tiny/sft", "changes": {"stepz": 1}}], "recipe_unknown_key"),
    ],
)
def test_entries_that_do_not_fit_together(entries: list[dict[str, Any]], key: str) -> None:
    with pytest.raises(RecipeError) as raised:
        check_study(study(*entries))
    assert raised.value.key == key
