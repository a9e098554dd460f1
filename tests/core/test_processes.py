"""Which batches several processes can share."""

from __future__ import annotations

import pytest

from lab.core.recipes import parse
from lab.errors import RecipeError


@pytest.mark.parametrize(
    ("algorithm", "batch", "processes", "fits"),
    [
        ("sft", 32, 4, True),
        ("sft", 30, 4, False),
        ("pretrain", 32, 2, True),
        ("dpo", 33, 2, False),
        ("grpo", 64, 4, True),  # eight groups of eight
        ("grpo", 24, 2, False),  # three groups cannot be two whole halves
        ("ppo", 32, 2, True),
    ],
)
def test_groups_stay_whole(algorithm: str, batch: int, processes: int, fits: bool) -> None:
    values = {"algorithm": algorithm, "batch_size": batch, "processes": processes}
    if fits:
        assert parse(values).processes == processes
        return
    with pytest.raises(RecipeError) as error:
        parse(values)
    assert error.value.key == "recipe_not_a_multiple"
    assert "processes" in str(error.value.params["of"])


def test_one_process_takes_any_batch() -> None:
    assert parse({"algorithm": "sft", "batch_size": 7}).processes == 1
