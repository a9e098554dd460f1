"""One language alone: every row of it, trained and measured, and none of the other."""

from __future__ import annotations

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.errors import RecipeError


@pytest.mark.parametrize("algorithm", ["sft", "dpo", "grpo"])
def test_chinese_tasks_only(algorithm: str) -> None:
    recipe = {"algorithm": algorithm, "steps": 5, "tasks_in": "zh"}
    data, both = load(parse(recipe)), load(parse({**recipe, "tasks_in": "both"}))
    prompts = [str(row["prompt"]) for row in (*data.train, *data.held_out, *data.held_out_pairs)]
    assert prompts and all(prompt.startswith("解方程") for prompt in prompts)
    assert any(str(row["prompt"]).startswith("Solve") for row in both.train)
    assert data.content_hash != both.content_hash
    assert 2 * len(data.held_out) == len(both.held_out)


def test_both_languages_are_the_rows_of_before() -> None:
    assert (
        load(parse({"algorithm": "grpo"})).content_hash
        == load(parse({"algorithm": "grpo", "tasks_in": "both"})).content_hash
    )


def test_other_data_have_no_language_to_choose() -> None:
    with pytest.raises(RecipeError, match="recipe_tasks_in"):
        parse({"algorithm": "sft", "dataset": "rows.jsonl", "tasks_in": "zh"})
