"""Preferences of every known form, and why a row is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lab.core.derivation import as_rows, derive
from lab.core.preferences import Choice, Judgement, Message, Response, make_pair
from lab.data.columns import with_columns
from lab.data.forms import detect_form, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut, counted
from lab.data.pair_rows import Known, find_pairs
from lab.data.preference_forms import shape_preferences
from lab.data.recognition import Form
from lab.data.rows import Rows
from lab.data.rows import read_rows as read_file
from lab.data.writing import write_rows
from lab.errors import DatasetError


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def human(value: str) -> dict[str, str]:
    return {"from": "human", "value": value}


def gpt(value: str) -> dict[str, str]:
    return {"from": "gpt", "value": value}


PLAIN = {"prompt": "解方程 3x + 5 = 20", "chosen": "x = 5", "rejected": "无解"}
CHAT: dict[str, Any] = {"prompt": [user("a"), assistant("b"), user("c")], "chosen": "yes", "rejected": "no"}


def test_plain_rows_stay_plain() -> None:
    assert shape_preferences(rows(PLAIN, PLAIN | {"n_votes": 3})).rows == [PLAIN, PLAIN]
    assert shape_preferences(rows(PLAIN | {"category": "format"})).rows == [PLAIN | {"category": "format"}]


@pytest.mark.parametrize(
    ("form", "row"),
    [
        (Form.PREFERENCES, CHAT),
        (
            Form.CONVERSATIONS,
            {"conversations": [human("a"), gpt("b"), human("c")], "chosen": gpt("yes"), "rejected": gpt("no")},
        ),
        (
            Form.WHOLE_CHATS,
            {"chosen": [*CHAT["prompt"], assistant("yes")], "rejected": [*CHAT["prompt"], assistant("no")]},
        ),
        (
            Form.PREFERENCES,
            CHAT | {"chosen": [*CHAT["prompt"], assistant("yes")], "rejected": [*CHAT["prompt"], assistant("no")]},
        ),
        (Form.PREFERENCES, CHAT | {"chosen": [assistant("yes")], "rejected": [assistant("no")]}),
    ],
)
def test_conversations_become_messages(form: Form, row: dict[str, Any]) -> None:
    read = rows(row)
    assert detect_form(read) is form
    assert shape_preferences(read).rows == [CHAT]


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [human("解方程 3x + 5 = 20")], "chosen": gpt("x = 5"), "rejected": gpt("无解")},
        {"prompt": PLAIN["prompt"], "chosen": [user(PLAIN["prompt"]), assistant("x = 5")], "rejected": [user(PLAIN["prompt"]), assistant("无解")]},
        {"instruction": "解方程", "input": "3x + 5 = 20", "chosen": "x = 5", "rejected": "无解"},
    ],
)  # fmt: skip
def test_one_question_is_plain_text(row: dict[str, Any]) -> None:
    prompt = PLAIN["prompt"] if "input" not in row else "解方程\n3x + 5 = 20"
    assert shape_preferences(rows(row)).rows == [PLAIN | {"prompt": prompt}]
    assert shape_prompts(rows(row)).rows == [{"prompt": prompt}]


def test_only_conversations_are_messages() -> None:
    system = {"from": "system", "value": "be brief"}
    read = rows(
        {"conversations": [human("a")], "chosen": gpt("b"), "rejected": gpt("c")},
        {"conversations": [system, human("a")], "chosen": gpt("b"), "rejected": gpt("c")},
        {"conversations": [{"from": "system", "value": " "}, human("a")], "chosen": gpt("b"), "rejected": gpt("c")},
    )
    plain = {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert shape_preferences(read).rows == [
        plain,
        plain | {"prompt": [{"role": "system", "content": "be brief"}, user("a")]},
        plain,
    ]


def test_each_of_several_answers_is_used_and_none_is_multiplied() -> None:
    read = rows({"prompt": "a", "chosen": ["b", "c", "d"], "rejected": ["x", "y"]})
    sides = [(row["chosen"], row["rejected"]) for row in shape_preferences(read).rows]
    assert sides == [("b", "x"), ("c", "y"), ("d", "x")]


def test_the_report_says_which_row_and_why() -> None:
    shaped = shape_preferences(
        rows(
            PLAIN,
            PLAIN | {"rejected": "x = 5 "},
            PLAIN | {"chosen": " "},
            PLAIN | {"prompt": None},
            {"prompt": "a"},
            PLAIN | {"chosen": [1]},
            PLAIN | {"chosen": True},
            PLAIN | {"prompt": [user("a"), assistant("b")]},
            PLAIN | {"prompt": [user("")]},
            PLAIN | {"chosen": [assistant("a"), assistant("b")]},
            PLAIN | {"chosen": [user("a")]},
            PLAIN | {"prompt": [{"role": "tool", "content": "a"}]},
        )
    )
    assert shaped.rows == [PLAIN]
    assert shaped.left_out == [
        LeftOut(2, WhyLeftOut.EQUAL_SIDES),
        LeftOut(3, WhyLeftOut.EMPTY, "chosen"),
        LeftOut(4, WhyLeftOut.MISSING, "prompt"),
        LeftOut(5, WhyLeftOut.MISSING, "chosen"),
        LeftOut(6, WhyLeftOut.NOT_TEXT, "chosen"),
        LeftOut(7, WhyLeftOut.NOT_TEXT, "chosen"),
        LeftOut(8, WhyLeftOut.NO_QUESTION),
        LeftOut(9, WhyLeftOut.EMPTY, "prompt"),
        LeftOut(10, WhyLeftOut.NOT_ONE_ANSWER, "chosen"),
        LeftOut(11, WhyLeftOut.NOT_ONE_ANSWER, "chosen"),
        LeftOut(12, WhyLeftOut.TOOLS, "prompt"),
    ]
    assert counted(shaped.left_out)[0] == (WhyLeftOut.NOT_TEXT, "chosen", 2)


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (PLAIN | {"rejected": PLAIN["chosen"]}, "dataset_all_equal"),
        (PLAIN | {"rejected": ""}, "dataset_all_empty"),
        ({"prompt": "a", "chosen": "b"}, "dataset_columns"),
        ({"chosen": [assistant("a")], "rejected": [assistant("b")]}, "dataset_none_usable"),
    ],
)
def test_nothing_left_is_an_error(row: dict[str, Any], key: str) -> None:
    with pytest.raises(DatasetError) as caught:
        shape_preferences(rows(row))
    assert caught.value.key == key


def test_conversations_are_no_plain_prompts() -> None:
    with pytest.raises(DatasetError) as caught:
        shape_prompts(rows(CHAT))
    assert caught.value.key == "dataset_all_conversations"


def test_columns_of_other_names() -> None:
    read = rows({"question_text": "a", "good": "b", "bad": "c", "prompt": "hidden"})
    mapping = {"prompt": "question_text", "chosen": "good", "rejected": "bad"}
    assert detect_form(with_columns(read, mapping)) is Form.PREFERENCES
    assert shape_preferences(with_columns(read, mapping)).rows == [{"prompt": "a", "chosen": "b", "rejected": "c"}]
    assert shape_preferences(with_columns(rows(PLAIN), {"chosen": "rejected", "rejected": "chosen"})).rows == [
        PLAIN | {"chosen": PLAIN["rejected"], "rejected": PLAIN["chosen"]}
    ]


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ({}, "dataset_form"),
        ({"prompt": "none"}, "dataset_mapping_column"),
        ({"champion": "a"}, "dataset_mapping_name"),
    ],
)
def test_a_mapping_that_cannot_be(mapping: dict[str, str], key: str) -> None:
    with pytest.raises(DatasetError) as caught:
        detect_form(with_columns(rows({"a": 1}), mapping))
    assert caught.value.key == key


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("row", [PLAIN, CHAT])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, suffix: str, row: dict[str, Any]) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(path, [row])
    assert shape_preferences(read_file(path)).rows == [row]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_import_of_what_was_exported_gives_the_same(tmp_path: Path, suffix: str) -> None:
    pairs = [
        make_pair("=1+1", Response(text="- 2"), Response(text="3")),
        make_pair((Message(role="system", content="简短"), Message(role="user", content="q")), Response(text="'=a"), Response(text="b")),
    ]  # fmt: skip
    judgements = [
        Judgement(uuid=uuid4(), pair_id=pair.id, annotator="an", choice=Choice.FIRST, left=Choice.SECOND)
        for pair in pairs
    ]
    derived = derive(pairs, judgements)
    path = tmp_path / f"rows{suffix}"
    write_rows(path, as_rows(derived.preferences, "v1"))
    read = read_file(path)
    assert {row["pair_id"] for row in read.rows} == {pair.id for pair in pairs}
    assert shape_preferences(read).rows == [
        one.model_dump(mode="json", include={"prompt", "chosen", "rejected"}) for one in derived.preferences
    ]


def test_places_in_a_list_of_answers_are_those_answers() -> None:
    row = {"prompt": "Tea?", "responses": ["Yes.", "No.", "Why?"], "chosen": 2, "rejected": 0}
    shaped = shape_preferences(rows(row, row | {"rejected": 7}))
    assert shaped.rows == [{"prompt": "Tea?", "chosen": "Why?", "rejected": "Yes."}]
    assert [each.line for each in shaped.left_out] == [2] and shaped.passed_over == ()
    numbers = rows({"prompt": "2 + 2", "chosen": 4, "rejected": 5})
    assert shape_preferences(numbers).rows == [{"prompt": "2 + 2", "chosen": "4", "rejected": "5"}]


RATED = [
    ({"chosen-rating": 1, "rejected-rating": 5}, "chosen-rating, rejected-rating"),
    ({"chosen_avg_rating": 1, "rejected_avg_rating": 5}, "chosen_avg_rating, rejected_avg_rating"),
    ({"score_chosen": "1.5", "score_rejected": "1.6"}, "score_chosen, score_rejected"),
    ({"chosen_rm_score": -3, "rejected_rm_score": -2}, "chosen_rm_score, rejected_rm_score"),
    ({"margin": -0.5}, "margin"),
    ({"score_diff": "-2"}, "score_diff"),
]


@pytest.mark.parametrize(("scores", "columns"), RATED)
def test_a_row_whose_scores_contradict_its_choice_is_left_out_and_counted(scores: dict[str, Any], columns: str) -> None:
    row = {"prompt": "Tea?", "chosen": "Yes.", "rejected": "No."}
    shaped = shape_preferences(rows(row | scores, row | dict.fromkeys(scores)))
    assert shaped.rows == [row] and shaped.left_out == [LeftOut(1, WhyLeftOut.REVERSED, columns)]
    assert shaped.passed_over == ()
    assert shape_prompts(rows(row | scores)).rows == [{"prompt": "Tea?"}], "a prompt is as good as before"


@pytest.mark.parametrize(("scores", "columns"), RATED)
def test_a_person_who_says_which_column_is_which_has_the_last_word(scores: dict[str, Any], columns: str) -> None:
    row = {"prompt": "Tea?", "chosen": "Yes.", "rejected": "No."}
    shaped = shape_preferences(with_columns(rows(row | scores), {"chosen": "chosen", "rejected": "rejected"}))
    assert shaped.rows == [row] and shaped.passed_over == tuple(scores)


def test_people_judge_pairs_whose_scores_contradict_the_choice_but_none_is_gold() -> None:
    row = {"prompt": "Tea?", "chosen": "Yes.", "rejected": "No.", "margin": -1}
    found = find_pairs(rows(row))
    assert len(found.pairs) == 1 and [each.key for each in found.notes] == ["scores_reversed"]
    with pytest.raises(DatasetError):
        find_pairs(rows(row), known=Known.GOLD)


@pytest.mark.parametrize(
    ("row", "chosen", "rejected"),
    [
        ({"responses": ["x", "y", "z"], "chosen": 0, "rejected": 2}, "x", "z"),
        ({"responses": ["x", "y", "z"], "chosen": 3, "rejected": 1}, "z", "x"),
        ({"responses": '["x", "y"]', "chosen": "1", "rejected": "0"}, "y", "x"),
        ({"responses": ["x", "y"], "chosen": 1.0, "rejected": 2.0}, "x", "y"),
        ({"responses": [{"text": "x"}, {"text": "y"}], "chosen": 1, "rejected": 0}, "y", "x"),
        ({"a": "x", "b": "y", "chosen": "b", "rejected": "a"}, "y", "x"),
        ({"response_a": "x", "response_b": "y", "chosen": "response_b", "rejected": "response_a"}, "y", "x"),
        ({"response_1": "x", "response_2": "y", "chosen": "1", "rejected": "2"}, "x", "y"),
        ({"model_x": "x", "model_y": "y", "chosen": "model_y", "rejected": "model_x"}, "y", "x"),
    ],
)
def test_sides_that_only_name_a_response_are_that_response(row: dict[str, Any], chosen: str, rejected: str) -> None:
    shaped = shape_preferences(rows({"prompt": "Tea?"} | row))
    assert shaped.rows == [{"prompt": "Tea?", "chosen": chosen, "rejected": rejected}]
    assert [each.key for each in shaped.notes] == ["sides_named"] and shaped.passed_over == ()


def test_places_that_may_count_from_0_or_1_are_never_guessed() -> None:
    row = {"prompt": "Tea?", "responses": ["x", "y", "z"], "chosen": 1, "rejected": 2}
    with pytest.raises(DatasetError) as caught:
        shape_preferences(rows(row))
    assert caught.value.params["reasons"] == [{"say": "left_out.counted_from", "detail": "chosen", "count": 1}]


@pytest.mark.parametrize(
    "row", [{"a": "x", "chosen": "a", "rejected": "c"}, {"responses": ["4", "5"], "chosen": 4, "rejected": 5}]
)
def test_sides_that_are_texts_stay_texts(row: dict[str, Any]) -> None:
    (shaped,) = shape_preferences(rows({"prompt": "Tea?"} | row)).rows
    assert (shaped["chosen"], shaped["rejected"]) == (str(row["chosen"]), str(row["rejected"]))
