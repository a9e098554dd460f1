"""Votes of other tools: who won, by the response's identity; what names nobody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.data.columns import with_columns
from lab.data.forms import detect_form, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import find_pairs
from lab.data.preference_forms import shape_preferences
from lab.data.recognition import Form
from lab.data.rows import Rows
from lab.errors import DatasetError
from lab.words import word

YES, NO, TIE, BAD = "first", "second", "tie", "both_bad"


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


def chat(answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": answer}]


AB = {"prompt": "Tea?", "response_a": "Yes.", "response_b": "No."}
ONE_TWO = {"prompt": "Tea?", "response_1": "Yes.", "response_2": "No."}
NIL_ONE = {"prompt": "Tea?", "response_0": "Yes.", "response_1": "No."}


@pytest.mark.parametrize(
    ("row", "winner"),
    [
        (AB | {"winner": "model_a"}, YES),
        (AB | {"winner": "B"}, NO),
        (AB | {"winner": "response_b"}, NO),
        (AB | {"winner": "left"}, YES),
        (AB | {"winner": "tie"}, TIE),
        (AB | {"winner": "tie (bothbad)"}, BAD),
        (AB | {"winner": "gpt", "model_a": "llama", "model_b": "gpt"}, NO),
        (AB | {"preference": "first"}, YES),
        (AB | {"chosen": "b"}, NO),
        (ONE_TWO | {"winner": "1"}, YES),
        (ONE_TWO | {"winner": 2}, NO),
        (ONE_TWO | {"winner": 2.0}, NO),
        (NIL_ONE | {"winner": "1"}, NO),
        (NIL_ONE | {"winner": 0}, YES),
        (NIL_ONE | {"better_response_id": 0, "safer_response_id": 1}, YES),
        (ONE_TWO | {"best": 1}, YES),
        (ONE_TWO | {"pairwise": "right"}, NO),
        (AB | {"comparison": "left"}, YES),
        (AB | {"verdict": "A>B"}, YES),
        (AB | {"verdict": "[[B>>A]]"}, NO),
        (AB | {"verdict": "A=B"}, TIE),
        (AB | {"preferred": "No."}, NO),
        (AB | {"best_response": "Response_B"}, NO),
        (ONE_TWO | {"preference.responses": ["response_2"]}, NO),
        (AB | {"first_better": 1}, YES),
        (AB | {"first_better": False}, NO),
        (AB | {"first_better": "no"}, NO),
        (ONE_TWO | {"best_from_0": 1}, NO),
        (AB | {"best_from_1": "1"}, YES),
        (ONE_TWO | {"preference_strength": -2}, YES),
        (ONE_TWO | {"preference_strength": "3"}, NO),
        (ONE_TWO | {"overall_preference": 0}, TIE),
        (AB | {"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0}, NO),
        (AB | {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 1}, TIE),
        (AB | {"score_a": 1, "score_b": 3}, NO),
        (AB | {"rating_a": 3, "rating_b": 3}, TIE),
        ({"history": "Tea?", "human_ref_A": "Yes.", "human_ref_B": "No.", "labels": 1}, YES),
        ({"history": "Tea?", "human_ref_A": "Yes.", "human_ref_B": "No.", "labels": 0}, NO),
        ({"conversation_a": chat("Yes."), "conversation_b": chat("No."), "winner": "model_b"}, NO),
        ({"prompt": "Tea?", "first": "Yes.", "second": "No.", "winner": "second"}, NO),
        ({"info": {"post": "Tea?"}, "summaries": [{"text": "Yes."}, {"text": "No."}], "choice": 1}, NO),
    ],
)
def test_who_won(row: dict[str, Any], winner: str) -> None:
    read = rows(row)
    assert detect_form(read) is Form.VOTES
    ((_, pair),) = find_pairs(read).pairs
    (vote,) = find_pairs(read).votes
    if winner in (TIE, BAD):
        assert vote.choice == winner
        with pytest.raises(DatasetError) as caught:
            shape_preferences(read)
        assert caught.value.params["reasons"][0]["say"] == f"left_out.{winner}"  # type: ignore[index]
        return
    better = {YES: "Yes.", NO: "No."}[winner]
    assert pair.response(vote.choice).text == better
    (shaped,) = shape_preferences(read).rows
    assert (shaped["prompt"], shaped["chosen"]) == ("Tea?", better)


@pytest.mark.parametrize("winner", ["model_c", "0", 7, True, "a or b", "yes"])
def test_a_vote_that_names_neither_is_told_and_never_guessed(winner: Any) -> None:
    shaped = shape_preferences(rows(AB | {"winner": "a"}, AB | {"prompt": "Jam?", "winner": winner}))
    assert [(row.line, row.why) for row in shaped.left_out] == [(2, WhyLeftOut.NO_CHOICE)]


@pytest.mark.parametrize("pair", [AB, ONE_TWO, {"prompt": "Tea?", "first": "Yes.", "second": "No."}])
@pytest.mark.parametrize("name", ["label", "winner", "preference", "choice"])
@pytest.mark.parametrize("numbers", [(0, 1), ("1", "0"), (True, False)])
def test_0_and_1_of_responses_that_are_not_called_so_are_told_and_never_guessed(
    pair: dict[str, Any], name: str, numbers: tuple[Any, Any]
) -> None:
    read = rows(*(pair | {"prompt": f"{place}?", name: number} for place, number in enumerate(numbers)))
    with pytest.raises(DatasetError) as caught:
        shape_preferences(read)
    assert caught.value.params["reasons"] == [{"say": "left_out.unsure_vote", "detail": name, "count": 2}]
    for locale in ("en", "zh"):
        assert f"FILE?first_better={name}" in word(caught.value, locale)
    found = find_pairs(read)
    assert len(found.pairs) == 2 and not found.votes and [each.key for each in found.notes] == ["vote_unsure"]
    assert len(shape_prompts(read).rows) == 2
    better = "Yes." if numbers[0] in (0, False) else "No."
    assert shape_preferences(with_columns(read, {"best_from_0": name})).rows[0]["chosen"] == better


@pytest.mark.parametrize("scores", [("score_a", "score_b"), ("rating_a", "rating_b")])
def test_a_vote_that_the_scores_contradict_trains_nothing(scores: tuple[str, str]) -> None:
    said = dict(zip(scores, (1, 5), strict=True))
    shaped = shape_preferences(rows(AB | {"winner": "b"} | said, AB | {"prompt": "Jam?", "winner": "a"} | said))
    assert [row["chosen"] for row in shaped.rows] == ["No."]
    assert shaped.left_out == [LeftOut(2, WhyLeftOut.REVERSED, ", ".join(scores))] and shaped.passed_over == ()


def test_a_row_that_nobody_voted_on_is_a_pair_to_judge() -> None:
    read = rows(AB | {"winner": "a"}, AB | {"prompt": "Jam?", "winner": ""})
    found = find_pairs(read)
    assert len(found.pairs) == 2 and [vote.line for vote in found.votes] == [1] and not found.left_out
    assert shape_preferences(read).left_out == [LeftOut(2, WhyLeftOut.NO_VOTE)]


def test_a_column_that_is_no_vote_leaves_pairs_to_be_judged() -> None:
    for extra in ({"label": "cooking"}, {"winner": None}, {"choice": ""}):
        found = find_pairs(rows(AB | extra))
        assert (found.form, len(found.pairs), found.votes) == (Form.PAIRS, 1, ())
        assert next(iter(extra)) in found.passed_over


def test_strength_and_annotators_are_kept() -> None:
    (vote,) = find_pairs(rows(ONE_TWO | {"preference_strength": -3})).votes
    assert vote.strength == 3

    def by(who: str, side: str) -> dict[str, Any]:
        return {"completed_by": {"email": who}, "result": [{"type": "pairwise", "value": {"selected": side}}]}

    task = {"data": {"prompt": "Tea?", "answer1": "Yes.", "answer2": "No."}}
    votes = [
        by("an@x", "left"),
        by("bo@x", "right"),
        by("cy@x", "left"),
        {**by("dee@x", "right"), "was_cancelled": True},
    ]
    found = find_pairs(rows(task | {"annotations": votes}))
    ((_, pair),) = found.pairs
    assert [(vote.annotator, pair.response(vote.choice).text) for vote in found.votes] == [
        ("an@x", "Yes."),
        ("bo@x", "No."),
        ("cy@x", "Yes."),
    ]
    assert shape_preferences(rows(task | {"annotations": votes})).rows[0]["chosen"] == "Yes.", "the majority"
    with pytest.raises(DatasetError):
        shape_preferences(rows(task | {"annotations": votes[:2]}))


def test_several_votes_on_one_pair_in_several_rows_are_all_kept() -> None:
    found = find_pairs(
        rows(
            AB | {"winner": "a"},
            AB | {"winner": "b"},
            {"prompt": "Tea?", "response_a": "No.", "response_b": "Yes.", "winner": "b"},
        )
    )
    ((_, pair),) = found.pairs
    assert [pair.response(vote.choice).text for vote in found.votes] == ["Yes.", "No.", "Yes."]


def test_conversations_that_part_early_are_no_pair() -> None:
    early = {
        "conversation_a": [*chat("Yes."), *chat("Green.")],
        "conversation_b": [*chat("No."), *chat("Black.")],
        "winner": "model_a",
    }
    late = {
        "conversation_a": [*chat("Yes."), *chat("Green.")],
        "conversation_b": [*chat("Yes."), *chat("Black.")],
        "winner": "model_a",
    }
    shaped = shape_preferences(rows(early, late))
    assert shaped.left_out == [LeftOut(1, WhyLeftOut.PARTS_EARLY)]
    assert shaped.rows[0]["chosen"] == "Green." and len(shaped.rows[0]["prompt"]) == 3


def test_a_table_is_text_as_it_stands() -> None:
    table = "| | tea | jam |\n|---|---|---|\n| warm | yes | no |"
    ((_, pair),) = find_pairs(rows({"prompt": "Compare.", "first": table, "second": "Tea is warm."})).pairs
    assert table in (pair.first.text, pair.second.text)


def test_ids_and_categories_of_the_file_stand_beside_the_pair() -> None:
    found = find_pairs(
        rows({"id": "ticket-1", "category": "colour", "prompt": "Tea?", "first": "Brown.", "second": "Blue."})
    )
    assert found.passed_over == ()
    assert found.pairs[0][1].own == {"own_id": "ticket-1", "category": "colour"}
