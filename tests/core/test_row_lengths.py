"""The length of a row that data need: the longest, unless a few rows are far longer than all others."""

from __future__ import annotations

import pytest

from lab.core.recipes import parse
from lab.core.row_lengths import max_length_for
from lab.errors import RecipeError


@pytest.mark.parametrize(
    ("lengths", "context", "wanted"),
    [
        ([20, 33], None, 40),
        ([20, 40], None, 40),
        ([3], None, 8),
        ([20, 900], 512, 512),
        ([20] * 999 + [900], None, 24),  # one outlier in a thousand sets no memory
        ([20] * 999 + [40], None, 40),
        ([20] * 95 + [900] * 5, None, 904),  # one in twenty is no outlier
        ([], 512, 512),
        ([], None, 8),
    ],
)
def test_the_longest_row_fits_and_an_outlier_sets_no_memory(
    lengths: list[int], context: int | None, wanted: int
) -> None:
    assert max_length_for(lengths, context) == wanted


def test_a_recipe_names_no_length_or_one_that_holds_a_row() -> None:
    for algorithm in ("sft", "rm", "dpo"):
        assert parse({"algorithm": algorithm}).max_length == 0
        assert parse({"algorithm": algorithm, "max_length": 8}).max_length == 8
        with pytest.raises(RecipeError) as caught:
            parse({"algorithm": algorithm, "max_length": 7})
        assert caught.value.key == "recipe_too_short" and caught.value.params["least"] == 8
