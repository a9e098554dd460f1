"""Lists of ranked or scored answers as preferences: the best against each lower one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.data.columns import with_columns
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.preference_forms import shape_preferences
from lab.data.rows import Rows
from lab.errors import DatasetError
from lab.words import word


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


def sides(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(pair["chosen"], pair["rejected"]) for pair in shape_preferences(rows(row)).rows]


BEST_FIRST = [("b", "c"), ("b", "a")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "responses": ["a", "b", "c"], "scores": [1, 3, 2]},
        {"question": "p", "answers": ["a", "b", "c"], "ratings": ["1", "3.5", "2"]},
        {"instruction": "p", "generations": ["a", "b", "c"], "rewards": [-1.0, 0.5, 0.0]},
        {"prompt": "p", "responses": ["a", "b", "c"], "rankings": [3, 1, 2]},
        {"prompt": "p", "responses": '["a", "b", "c"]', "ranks": "[3, 1, 2]"},
        {"instruction": "p", "completions": [{"response": "a", "overall_score": 1}, {"response": "b", "overall_score": 9}, {"response": "c", "overall_score": 5}]},
        {"prompt": "\n\nHuman: p\n\nAssistant: ", "answers": [{"answer": "a", "rank": 3.0}, {"answer": "b", "rank": 1.0}, {"answer": "c", "rank": 2.0}]},
        {"prompt": "p", "completions": [{"text": "a", "reward": 0.0}, {"text": "b", "reward": 1.0}, {"text": "c", "reward": 0.5}]},
    ],
)  # fmt: skip
def test_the_best_meets_each_lower_one(row: dict[str, Any]) -> None:
    assert sides(row) == BEST_FIRST
    assert shape_preferences(rows(row)).rows[0]["prompt"] == "p"


def test_a_list_without_scores_is_a_ranking_by_its_order_and_that_is_said() -> None:
    shaped = shape_preferences(rows({"instruction": "p", "input": "", "output": ["good", "bad"]}))
    assert [(row["chosen"], row["rejected"]) for row in shaped.rows] == [("good", "bad")]
    assert "ranked_by_order" in [note.key for note in shaped.notes]


def test_equal_ones_make_no_pair() -> None:
    assert sides({"prompt": "p", "responses": ["a", "b", "c"], "scores": [3, 3, 1]}) == [("a", "c")]
    shaped = shape_preferences(
        rows(
            {"prompt": "p", "responses": ["a", "b"], "scores": [1, 2]},
            {"prompt": "q", "responses": ["a", "b"], "scores": [2, 2]},
        )
    )
    assert shaped.left_out == [LeftOut(2, WhyLeftOut.TIE)]


@pytest.mark.parametrize(
    "broken",
    [
        {"scores": [1, 2, 3]},
        {"scores": [1]},
        {"scores": [1, None]},
        {"scores": [1, "high"]},
        {"responses": ["a"], "scores": [1]},
    ],
)
def test_scores_that_do_not_fit_are_told(broken: dict[str, Any]) -> None:
    good = {"prompt": "p", "responses": ["a", "b"], "scores": [1, 2]}
    assert [(row.line, row.why) for row in shape_preferences(rows(good, good | broken)).left_out] == [
        (2, WhyLeftOut.NO_SCORES)
    ]


def test_lists_of_chosen_and_rejected_use_every_answer_once_at_least() -> None:
    row = {"prompt": "p", "chosen": ["a", "b"], "rejected": ["x", "y", "z"]}
    assert sides(row) == [("a", "x"), ("b", "y"), ("a", "z")]
    assert sides({"prompt": "p", "chosen": "a", "rejected": ["x", "y"]}) == [("a", "x"), ("a", "y")]


def test_equal_scores_of_both_sides_are_pointed_out() -> None:
    row = {"prompt": "p ", "chosen": "a", "rejected": "b", "score_chosen": 5.0, "score_rejected": 5.0}
    shaped = shape_preferences(rows(row, row | {"score_rejected": 6.0}, row | {"score_rejected": 1.0}))
    assert len(shaped.rows) == 2
    assert shaped.left_out == [LeftOut(2, WhyLeftOut.REVERSED, "score_chosen, score_rejected")]
    assert {note.key: dict(note.params)["count"] for note in shaped.notes} == {"scores_equal": "1"}


@pytest.mark.parametrize(
    "row",
    [
        {"responses": ["a", "b", "c", "d"], "scores": [1, 3, None, 2]},
        {"responses": ["a", "b", "c", "d"], "scores": [1, 3, "N/A", 2]},
        {"responses": ["a", "b", "c", "d"], "rankings": [3, 1, None, 2]},
        {"completions": [{"text": "a", "score": 1}, {"text": "b", "score": 3}, {"text": "c", "score": None}, {"text": "d", "score": 2}]},
        {"completions": [{"text": "a", "rank": 3}, {"text": "b", "rank": 1}, {"text": "c"}, {"text": "d", "rank": 2}]},
    ],
)  # fmt: skip
def test_a_response_without_a_score_is_passed_over_and_counted(row: dict[str, Any]) -> None:
    assert sides({"prompt": "p"} | row) == [("b", "d"), ("b", "a")]
    assert [(note.key, dict(note.params)) for note in shape_preferences(rows({"prompt": "p"} | row)).notes] == [
        ("unscored", {"count": "1"})
    ]


def test_what_was_checked_as_right_is_better_than_what_is_wrong() -> None:
    row = {"problem": "p", "generations": ["a", "b", "c"], "correctness_math_verify": [False, True, False]}
    assert sides(row) == [("b", "a"), ("b", "c")]


TEN = {"prompt": "q", "answers": [f"t{place}" for place in range(10)]}


@pytest.mark.parametrize(
    ("column", "best", "further"),
    [
        ("best", 1, {"best": 0}),
        ("best", 2, {"best": 10}),
        ("best_idx", 1, {}),
        ("chosen_index", 1, {}),
        ("label", 1, {"label": 0}),
        ("label", "B", {}),
        ("choice", "b", {}),
        ("preferred", "t1", {}),
        ("winner", 1.0, {"winner": "0"}),
        ("best_from_0", 1, {}),
        ("best_from_1", 2, {}),
    ],
)
def test_the_best_by_its_place_letter_or_text_meets_each_other_one(
    column: str, best: Any, further: dict[str, Any]
) -> None:
    read = rows(TEN | {column: best}, *([TEN | {"prompt": "r"} | further] if further else []))
    pairs = [(row["chosen"], row["rejected"]) for row in shape_preferences(read).rows if row["prompt"] == "q"]
    assert pairs == [("t1", f"t{place}") for place in range(10) if place != 1]
    assert shape_preferences(read).passed_over == ()


def test_a_place_that_may_count_from_0_or_1_is_told_with_the_line_to_type() -> None:
    read = rows({"prompt": "p", "answers": ["x", "y", "z"], "best": 1})
    with pytest.raises(DatasetError) as caught:
        shape_preferences(read)
    for locale in ("en", "zh"):
        assert "FILE?best_from_0=best" in word(caught.value, locale) and "FILE?best_from_1=best" in word(
            caught.value, locale
        )
    for name, chosen in (("best_from_0", "y"), ("best_from_1", "x")):
        assert {row["chosen"] for row in shape_preferences(with_columns(read, {name: "best"})).rows} == {chosen}


def test_a_list_of_which_nothing_says_what_is_better_is_told_so() -> None:
    with pytest.raises(DatasetError) as caught:
        shape_preferences(rows({"prompt": "p", "responses": ["x", "y"]}))
    assert caught.value.params["reasons"] == [{"say": "left_out.unranked", "detail": "responses", "count": 1}]


@pytest.mark.parametrize("best", [7, "nobody", -1])
def test_a_best_one_that_is_not_there_is_no_choice(best: Any) -> None:
    shaped = shape_preferences(rows(TEN | {"best_idx": 0}, TEN | {"answers": ["x", "y"], "best_idx": best}))
    assert [(row.line, row.why) for row in shaped.left_out] == [(2, WhyLeftOut.NO_CHOICE)]
