"""What changes the meaning of a prompt is in it, whatever the form; what cannot be is a reason to leave the row out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.data.forms import shape_completions, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import find_pairs
from lab.data.preference_forms import shape_preferences
from lab.data.rows import Rows
from lab.errors import DatasetError

SIDES = {"chosen": "4", "rejected": "5"}


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2 + 2", **SIDES},
        {"prompt": [user("2 + 2")], **SIDES},
        {"question": "2 + 2", **SIDES},
        {"instruction": "2 + 2", "input": "", **SIDES},
        {"conversations": [{"from": "human", "value": "2 + 2"}], **SIDES},
        {"messages": [user("2 + 2")], **SIDES},
        {"chosen": [user("2 + 2"), assistant("4")], "rejected": [user("2 + 2"), assistant("5")]},
        {"chosen": "\n\nHuman: 2 + 2\n\nAssistant: 4", "rejected": "\n\nHuman: 2 + 2\n\nAssistant: 5"},
        {"prompt": "2 + 2", "response_a": "4", "response_b": "5", "winner": "a"},
        {"instruction": "2 + 2", "responses": ["5", "4"], "scores": [1, 2]},
    ],
)
@pytest.mark.parametrize("column", ["system", "system_prompt"])
def test_a_system_column_becomes_a_system_message_in_every_form(row: dict[str, Any], column: str) -> None:
    read = rows({column: "Digits only.", **row})
    wanted = [{"role": "system", "content": "Digits only."}, user("2 + 2")]
    assert shape_preferences(read).rows == [{"prompt": wanted, **SIDES}]
    assert shape_prompts(read, conversations=True).rows == [{"prompt": wanted}]
    assert column not in shape_preferences(read).passed_over
    ((_, pair),) = find_pairs(read).pairs
    assert not isinstance(pair.prompt, str) and pair.prompt[0].content == "Digits only."


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2 + 2", "completion": "4"},
        {"instruction": "2 + 2", "output": "4"},
        {"question": "2 + 2", "answer": "4"},
        {"messages": [user("2 + 2"), assistant("4")]},
        {"text": "Human: 2 + 2\nAssistant: 4"},
    ],
)
def test_a_system_column_in_every_demonstration(row: dict[str, Any]) -> None:
    (shaped,) = shape_completions(rows({"system": "Digits only.", **row})).rows
    assert shaped == {"prompt": [{"role": "system", "content": "Digits only."}, user("2 + 2")], "completion": "4"}


def test_two_system_texts_are_not_one() -> None:
    chat = [{"role": "system", "content": "Be kind."}, user("Hi")]
    shaped = shape_preferences(
        rows(
            {"prompt": chat, **SIDES},
            {"prompt": chat, "system": "Be rude.", **SIDES},
            {"prompt": chat, "system": "Be kind. ", **SIDES},
        )
    )
    assert len(shaped.rows) == 2
    assert shaped.left_out == [LeftOut(2, WhyLeftOut.TWO_SYSTEMS, "system")]


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ([["a", "b"]], [user("a"), assistant("b"), user("c")]),
        ('[["a", "b"]]', [user("a"), assistant("b"), user("c")]),
        ([user("a"), assistant("b")], [user("a"), assistant("b"), user("c")]),
        ([], "c"),
        ("", "c"),
        (None, "c"),
    ],
)
def test_history_is_earlier_turns(history: Any, wanted: Any) -> None:
    (shaped,) = shape_completions(rows({"instruction": "c", "output": "d", "history": history})).rows
    assert shaped["prompt"] == wanted


@pytest.mark.parametrize("history", [[["a"]], [["a", ""]], 5, [1]])
def test_a_history_that_is_none_leaves_the_row_out(history: Any) -> None:
    read = rows({"instruction": "c", "output": "d"}, {"instruction": "c", "output": "d", "history": history})
    assert [row.line for row in shape_completions(read).left_out] == [2]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"question": "Who?", "context": "Ann came."}, "Ann came.\n\nWho?"),
        ({"prompt": "Who?", "passage": "Ann came."}, "Ann came.\n\nWho?"),
        ({"instruction": "Who?", "input": "Ann came.", "output": "Ann."}, "Who?\nAnn came."),
        ({"instruction": "Who?", "context": "Ann came.", "response": "Ann."}, "Who?\nAnn came."),
    ],
)
def test_what_a_question_stands_on_is_in_the_prompt(row: dict[str, Any], wanted: str) -> None:
    assert shape_prompts(rows(row)).rows[0]["prompt"] == wanted


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"images": ["a.png"]}, WhyLeftOut.IMAGES),
        ({"image": {"bytes": 120}}, WhyLeftOut.IMAGES),
        ({"prompt": "<image>\nWhat is it?"}, WhyLeftOut.IMAGES),
        ({"tools": [{"name": "f"}]}, WhyLeftOut.TOOLS),
        ({"tools": '[{"name": "f"}]'}, WhyLeftOut.TOOLS),
        ({"context": {"title": ["a"]}}, WhyLeftOut.NOT_TEXT),
    ],
)
@pytest.mark.parametrize("form", [{"completion": "x"}, {"chosen": "x", "rejected": "y"}, {"first": "x", "second": "y"}])
def test_what_the_lab_cannot_train_on_is_left_out_and_counted(
    extra: dict[str, Any], why: WhyLeftOut, form: dict[str, str]
) -> None:
    plain = {"prompt": "a", "images": [], "tools": "[]", **form}
    read = rows(plain, {**plain, "prompt": "b", **extra})
    shape = {"completion": shape_completions, "chosen": shape_preferences, "first": find_pairs}[next(iter(form))]
    found = shape(read)
    assert [(row.line, row.why) for row in found.left_out] == [(2, why)]


def test_where_all_are_left_out_the_reason_is_told() -> None:
    with pytest.raises(DatasetError) as caught:
        shape_completions(rows({"prompt": "a", "completion": "b", "images": ["x.png"]}))
    assert caught.value.key == "dataset_none_usable"
    assert caught.value.params["reasons"] == [{"say": "left_out.images", "detail": "images", "count": 1}]


def test_what_is_passed_over_is_named() -> None:
    shaped = shape_completions(rows({"prompt": "a", "completion": "b", "level": 3, "system": "", "note": None}))
    assert shaped.passed_over == ("level", "note")


def test_a_context_that_stands_in_the_prompt_already_is_not_repeated() -> None:
    (shaped,) = shape_prompts(rows({"prompt": "Ann came.\n\nWho came?", "context": "Ann came."})).rows
    assert shaped["prompt"] == "Ann came.\n\nWho came?"
    (shaped,) = shape_prompts(rows({"prompt": "Who came?", "context": "came"})).rows
    assert shaped["prompt"] == "came\n\nWho came?", "a word of it is no context"


@pytest.mark.parametrize(
    "before",
    [[{"role": "system", "content": "Short."}, user("q")], [user("first"), assistant("answer"), user("q")]],
)
def test_what_the_sides_hold_beyond_the_prompt_is_part_of_it_for_every_use(before: list[dict[str, str]]) -> None:
    read = rows({"prompt": "q", "chosen": [*before, assistant("a")], "rejected": [*before, assistant("b")]})
    assert shape_preferences(read).rows == [{"prompt": before, "chosen": "a", "rejected": "b"}]
    assert shape_prompts(read, conversations=True).rows == [{"prompt": before}]
    demonstrated = rows({"prompt": "q", "completion": [*before, assistant("a")]})
    assert shape_completions(demonstrated).rows == [{"prompt": before, "completion": "a"}]


def test_a_ranked_list_is_no_demonstration_of_its_worse_answers() -> None:
    with pytest.raises(DatasetError) as caught:
        shape_completions(rows({"instruction": "q", "output": ["good", "bad"]}))
    assert caught.value.params["reasons"][0]["say"] == "left_out.not_one_answer"  # type: ignore[index]


def test_every_answer_of_a_conversation_or_the_last() -> None:
    talk = [user("a"), assistant("b"), user("c"), assistant("d")]
    read = rows({"messages": talk}, {"messages": talk[:2]}, {"messages": talk[:3]})
    last, every = shape_completions(read), shape_completions(read, every_answer=True)
    assert last.rows == [{"prompt": talk[:3], "completion": "d"}, {"prompt": "a", "completion": "b"}]
    assert every.rows == [{"prompt": talk[:3], "completion": "d", "messages": talk}, {"prompt": "a", "completion": "b"}]
    assert last.left_out == every.left_out == [LeftOut(3, WhyLeftOut.NO_ANSWER)]
    few_shot = rows({"prompt": talk[:3], "completion": "d"})
    assert "messages" not in shape_completions(few_shot, every_answer=True).rows[0], (
        "the prompt's own answers are no demonstrations"
    )


def test_an_answer_that_is_marked_as_not_to_be_trained() -> None:
    marked = [user("a"), {**assistant("b"), "weight": 0}, user("c"), assistant("d")]
    read = rows({"messages": [user("a"), assistant("b")]}, {"messages": marked}, {"messages": json.dumps(marked)})
    assert len(shape_completions(read).rows) == 3
    assert [row.line for row in shape_completions(read, every_answer=True).left_out] == [2, 3]
