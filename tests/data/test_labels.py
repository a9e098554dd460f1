"""Marks of good and bad: what SFT learns, and which pairs are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.core.notes import note
from lab.data.forms import shape_completions, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.preference_forms import shape_preferences
from lab.data.rows import Rows

GOOD, BAD = {"prompt": "2 + 2", "completion": "4"}, {"prompt": "2 + 2", "completion": "5"}


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


@pytest.mark.parametrize("column", ["label", "kto_tag", "is_good", "thumbs", "is_correct", "feedback"])
@pytest.mark.parametrize(
    ("good", "bad"), [(True, False), (1, 0), ("true", "False"), ("👍", "👎"), ("good", "bad"), (1.0, 0.0), ("1", "0")]
)
def test_false_ones_are_no_demonstrations(column: str, good: Any, bad: Any) -> None:
    read = rows(GOOD | {column: good}, BAD | {column: bad})
    shaped = shape_completions(read)
    assert shaped.rows == [GOOD]
    assert shaped.left_out == [LeftOut(2, WhyLeftOut.MARKED_BAD, column)]
    assert shape_preferences(read).rows == [{"prompt": "2 + 2", "chosen": "4", "rejected": "5"}]
    assert len(shape_prompts(read).rows) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "2 + 2", "output": "5"},
        {"messages": [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "5"}]},
        {"prompt": "2 + 2", "response": "5"},
    ],
)
def test_in_every_form(row: dict[str, Any]) -> None:
    shaped = shape_completions(rows(row | {"label": False}, row | {"label": True}))
    assert len(shaped.rows) == 1 and [one.line for one in shaped.left_out] == [1]


def test_a_row_without_its_mark_is_not_taken_for_good() -> None:
    shaped = shape_completions(rows(GOOD | {"label": True}, BAD | {"label": None}, BAD))
    assert shaped.rows == [GOOD]
    assert [(row.line, row.why) for row in shaped.left_out] == [(2, WhyLeftOut.NO_LABEL), (3, WhyLeftOut.NO_LABEL)]


def test_ratings_above_the_middle_are_good_and_the_guess_is_said() -> None:
    read = rows(*({"prompt": "p", "completion": f"c{n}", "rating": n} for n in (1, 2, 3, 4, 5)))
    shaped = shape_completions(read)
    assert [row["completion"] for row in shaped.rows] == ["c4", "c5"]
    assert note("graded", column="rating", above="3") in shaped.notes
    assert [(row["chosen"], row["rejected"]) for row in shape_preferences(read).rows] == [
        ("c5", f"c{n}") for n in (1, 2, 3, 4)
    ]


def test_a_score_decides_nothing_of_demonstrations_and_that_is_said() -> None:
    read = rows(GOOD | {"score": 0.9}, BAD | {"score": 0.2})
    shaped = shape_completions(read)
    assert len(shaped.rows) == 2 and note("scores_unused", column="score") in shaped.notes
    assert shape_preferences(read).rows[0]["chosen"] == "4"


def test_a_label_that_is_a_subject_is_only_named() -> None:
    shaped = shape_completions(rows(GOOD | {"label": "sums"}))
    assert shaped.rows == [GOOD] and shaped.passed_over == ("label",)


def test_each_good_and_bad_one_is_used_once_at_least_and_no_more_than_needed() -> None:
    values = [("a", True), ("x", False), ("y", False), ("x", False), ("b", True), ("z", False)]
    shaped = shape_preferences(rows(*({"prompt": "p", "completion": text, "label": mark} for text, mark in values)))
    assert {(row["chosen"], row["rejected"]) for row in shaped.rows} == {("a", "x"), ("b", "y"), ("a", "z")}
    assert shaped.left_out == [LeftOut(4, WhyLeftOut.SAME_PAIR, "2")]


def test_a_prompt_with_one_kind_only_makes_no_pair() -> None:
    shaped = shape_preferences(
        rows(GOOD | {"label": True}, BAD | {"label": False}, {"prompt": "q", "completion": "r", "label": True})
    )
    assert shaped.left_out == [LeftOut(3, WhyLeftOut.NO_PARTNER)]


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [("is_safe", True, False), ("status", "approved", "rejected"), ("weight", 1.0, 0.0), ("passed", "pass", "fail")],
)
def test_other_columns_mark_where_all_their_values_say_yes_or_no(column: str, good: Any, bad: Any) -> None:
    assert shape_completions(rows(GOOD | {column: good}, BAD | {column: bad})).rows == [GOOD]
    other = rows(GOOD | {column: "0.3"}, BAD | {column: bad})
    assert len(shape_completions(other).rows) == 2 and column in shape_completions(other).passed_over
