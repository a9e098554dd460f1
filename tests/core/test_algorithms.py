"""Every algorithm has a descriptor that agrees with its recipe."""

from __future__ import annotations

import pytest

from lab.core.algorithms import ALGORITHMS, DataForm, Head, algorithm_of
from lab.core.recipes import RECIPES, GrpoRecipe, PretrainRecipe, RmRecipe, SampledRecipe


def test_each_recipe_has_one_descriptor_in_the_same_order() -> None:
    assert {name: algorithm.recipe for name, algorithm in ALGORITHMS.items()} == RECIPES
    assert list(ALGORITHMS) == list(RECIPES)
    assert algorithm_of(GrpoRecipe()) is ALGORITHMS["grpo"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_descriptor_agrees_with_the_recipe(name: str) -> None:
    algorithm = ALGORITHMS[name]
    assert algorithm.writes_groups == issubclass(algorithm.recipe, SampledRecipe)
    assert (algorithm.data is DataForm.PROMPTS) == algorithm.writes_groups
    assert ("pair_margin" in algorithm.recipe.model_fields) == algorithm.trains_on_pairs
    assert ("reward_model" in algorithm.recipe.model_fields) == algorithm.needs_reward_model
    assert len(set(algorithm.charts)) == len(algorithm.charts) > 0


def test_only_what_writes_can_be_a_start() -> None:
    assert [name for name, algorithm in ALGORITHMS.items() if not algorithm.writes_text] == ["rm"]
    assert ALGORITHMS["rm"].head is Head.SCORE
    assert [name for name, algorithm in ALGORITHMS.items() if not algorithm.measures_kl] == ["pretrain", "rm"]


def test_what_follows_the_prompt() -> None:
    assert DataForm.DEMONSTRATIONS.answer_columns == ("completion",)
    assert DataForm.PREFERENCES.answer_columns == ("chosen", "rejected")
    assert DataForm.PROMPTS.answer_columns == DataForm.TEXTS.answer_columns == ()


def test_rows_of_one_pass_divide_the_batch() -> None:
    assert RmRecipe(batch_size=12, micro_batch_size=5).rows_per_pass == 4
    assert GrpoRecipe(batch_size=64, micro_batch_size=24).rows_per_pass == 16
    assert PretrainRecipe(batch_size=7).rows_per_pass == 7
