"""The validation split: where settings are chosen, so that what is reported was never looked at."""

from __future__ import annotations

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.errors import RecipeError
from lab.tasks.equations import Split, prompts
from lab.training.worker.main import on_chosen_split


@pytest.mark.parametrize("algorithm", ["pretrain", "sft", "rm", "dpo", "grpo", "ppo"])
def test_a_run_is_measured_on_the_split_that_it_names(algorithm: str) -> None:
    reported, chosen = (
        parse({"algorithm": algorithm, "steps": 2, "measure_on": split}) for split in ("held_out", "validation")
    )
    found, other = (on_chosen_split(recipe, load(recipe)) for recipe in (reported, chosen))
    assert {row["prompt"] for row in found.held_out} == {row["prompt"] for row in prompts(Split.HELD_OUT, 0)}
    assert {row["prompt"] for row in other.held_out} == {row["prompt"] for row in prompts(Split.VALIDATION, 0)}
    assert (other.train, other.content_hash) == (found.train, found.content_hash)
    assert len(other.held_out_pairs) == len(found.held_out_pairs)
    pairs = [{row["prompt"] for row in data.held_out_pairs} for data in (found, other)]
    assert not pairs[0] & pairs[1]


def test_other_data_has_no_validation_split() -> None:
    with pytest.raises(RecipeError) as caught:
        parse({"algorithm": "grpo", "dataset": "mine.jsonl", "measure_on": "validation"})
    assert caught.value.key == "recipe_no_validation"
