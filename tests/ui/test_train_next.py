"""What a click elsewhere puts into the form: a frozen version, a run to go on from, a reward model for PPO."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.core.preferences import Place
from lab.core.recipes import Recipe, parse
from lab.store.presets import PRESETS
from lab.store.runs import Run, RunState, Store
from lab.ui.draft import Draft
from lab.ui.presets import Presets
from lab.ui.tabs.train.next import Filled, NextRecipes
from lab.words.form import recipe_from
from tests.annotation.annotating import ANNA, given, judge_all, says, sums


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def store(annotation: Annotation) -> Store:
    return annotation.store


@pytest.fixture
def following(store: Store) -> NextRecipes:
    return NextRecipes(store, Presets(PRESETS))


def frozen(annotation: Annotation, longer: str, count: int) -> Any:
    """A version in which one of two texts was preferred each time."""
    rows = [{"prompt": f"Text {number}.", "first": longer, "second": "No."} for number in range(count)]
    collection = annotation.import_rows(rows, name="texts").collection.id
    while pairs := given(annotation, ANNA, collection, 5):
        for pair in pairs:
            place = Place.LEFT if pair["a"] == longer else Place.RIGHT
            says(annotation, ANNA, collection, pair, place, seconds=4.0)
    return annotation.freeze(collection)


@pytest.fixture
def letters(annotation: Annotation) -> Any:
    """Far longer than what the tiny model reads."""
    return frozen(annotation, "Dear Sir, " + "it rains. " * 90, 6)


@pytest.fixture
def short(annotation: Annotation) -> Any:
    collection = sums(annotation, 4)
    judge_all(annotation, ANNA, collection)
    return annotation.freeze(collection)


def recipe_of(filled: Filled | None) -> Recipe:
    assert filled is not None
    return recipe_from(Presets(PRESETS).recipe(filled.preset), filled.edits, filled.preset)


def finished(store: Store, algorithm: str, **values: Any) -> Run:
    run = store.create_run(parse({"algorithm": algorithm, **values}))
    store.change(run.id, state=RunState.FINISHED)
    return store.run(run.id)


@pytest.mark.parametrize("algorithm", ["rm", "dpo"])
class TestVersion:
    def test_a_small_set_gets_a_batch_and_steps_that_fit_it(self, following, short, algorithm):
        recipe = recipe_of(following.on_version(algorithm, short, Draft(preset="tiny/grpo"), "en"))
        assert (recipe.model, recipe.dataset) == ("tiny", short.dataset)
        assert recipe.batch_size <= 4 and 1 <= recipe.steps <= 20

    def test_a_model_that_can_read_the_data_stands_in_for_one_that_cannot_and_this_is_said(
        self, following, letters, algorithm
    ):
        filled = following.on_version(algorithm, letters, Draft(preset="tiny/grpo"), "en")
        recipe = recipe_of(filled)
        assert (filled.preset, recipe.model) == (f"smollm2-135m/{algorithm}", "smollm2-135m")
        assert "too long for the model tiny" in filled.told
        assert recipe.max_length == 0, "the run takes it from the data"

    def test_a_model_that_was_chosen_stays(self, following, short, algorithm):
        for draft in (
            Draft(preset="smollm2-135m/sft"),
            Draft(preset="tiny/grpo", edits={"tiny/grpo": {"model": "smollm2-135m"}}),
        ):
            filled = following.on_version(algorithm, short, draft, "en")
            assert recipe_of(filled).model == "smollm2-135m" and filled.preset == f"smollm2-135m/{algorithm}"

    def test_nothing_of_an_earlier_draft_stays(self, following, short, algorithm):
        stale = {"steps": 999, "max_length": 8, "learning_rate": 0.5}
        filled = following.on_version(
            algorithm, short, Draft(preset=f"tiny/{algorithm}", edits={f"tiny/{algorithm}": stale}), "en"
        )
        recipe, preset = recipe_of(filled), Presets(PRESETS).recipe(f"tiny/{algorithm}")
        assert recipe.steps < 100 and recipe.max_length == 0 and recipe.learning_rate == preset.learning_rate


def test_a_reward_model_starts_from_the_base_and_dpo_from_the_run_that_was_chosen(following, store, short):
    sft = finished(store, "sft", model="tiny")
    draft = Draft(preset="tiny/dpo", edits={"tiny/dpo": {"model": f"run:{sft.id}"}})
    assert recipe_of(following.on_version("rm", short, draft, "en")).model == "tiny"
    assert recipe_of(following.on_version("dpo", short, draft, "en")).model == f"run:{sft.id}"


def test_ppo_with_a_reward_model_takes_its_base_its_prompts_and_its_reward_alone(following, store, letters):
    judge = finished(store, "rm", model="smollm2-135m", dataset=letters.dataset)
    filled = following.ppo_with(judge, "en")
    recipe = recipe_of(filled)
    assert (filled.preset, recipe.model) == ("smollm2-135m/ppo", "smollm2-135m")
    assert (recipe.reward_model, recipe.dataset) == (f"run:{judge.id}", letters.dataset)
    assert recipe.rules_weight == 0 and [rule.name for rule in recipe.rules] == ["no_repetition"]
    assert recipe.batch_size <= 12 and recipe.batch_size % recipe.group_size == 0


@pytest.mark.parametrize(
    ("algorithm", "wanted"), [("pretrain", "sft"), ("sft", "grpo"), ("dpo", "grpo"), ("grpo", "grpo"), ("ppo", "ppo")]
)
def test_a_run_is_gone_on_from_with_what_usually_comes_next(following, store, algorithm, wanted):
    run = finished(store, algorithm, name="the first one")
    filled = following.after(run, "en")
    recipe = recipe_of(filled)
    assert (recipe.algorithm, recipe.model) == (wanted, f"run:{run.id}")
    assert "the first one" in filled.told and recipe.name != "the first one"


def test_a_run_on_judgements_is_gone_on_from_with_the_same(following, store, letters):
    """Judged pairs have no known answers, which the rules of GRPO would need."""
    run = finished(store, "dpo", model="smollm2-135m", dataset=letters.dataset, max_length=384)
    recipe = recipe_of(following.after(run, "en"))
    assert (recipe.algorithm, recipe.dataset, recipe.max_length) == ("dpo", letters.dataset, 384)
    further = finished(store, "dpo", model=f"run:{run.id}", dataset=letters.dataset)
    filled = following.after(further, "zh")
    assert filled.preset == "smollm2-135m/dpo" and recipe_of(filled).model == f"run:{further.id}"
