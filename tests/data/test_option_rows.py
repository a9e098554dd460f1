"""Questions with options: what is asked has them, and the answer is a letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.core.notes import note
from lab.data.forms import shape_completions, shape_prompts
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.rows import Rows

ASKED = "Which is a gas?\n\nA. iron\nB. helium\nC. salt"
TEXTS = ["iron", "helium", "salt"]


def rows(*values: dict[str, Any]) -> Rows:
    columns = tuple(dict.fromkeys(name for row in values for name in row))
    return Rows(Path("rows.jsonl"), list(values), columns, "sha256:", [])


@pytest.mark.parametrize(
    "row",
    [
        {"choices": TEXTS, "answer": 1},
        {"choices": TEXTS, "answer": "B"},
        {"choices": TEXTS, "answer": "(b)".upper()},
        {"options": TEXTS, "answer": "helium"},
        {"options": ["A) iron", "B) helium", "C) salt"], "correct": "B"},
        {"options": {"A": "iron", "B": "helium", "C": "salt"}, "answer_idx": "B"},
        {"choices": {"text": TEXTS, "label": ["A", "B", "C"]}, "answerKey": "B"},
        {"choices": {"text": TEXTS, "label": ["1", "2", "3"]}, "answerKey": "2"},
        {"choices": [{"label": "A", "text": "iron"}, {"label": "B", "text": "helium"}, {"label": "C", "text": "salt"}], "answerKey": "B"},
        {"choices": '["iron", "helium", "salt"]', "answer": "1"},
        {"A": "iron", "B": "helium", "C": "salt", "answer": "B"},
        {"option_a": "iron", "option_b": "helium", "option_c": "salt", "answer": "b"},
        {"opa": "iron", "opb": "helium", "opc": "salt", "cop": 1},
        {"endings": TEXTS, "label": "1"},
    ],
)  # fmt: skip
def test_options_are_asked_and_the_answer_is_the_letter(row: dict[str, Any]) -> None:
    read = rows({"question": "Which is a gas?", **row})
    assert shape_prompts(read).rows == [{"prompt": ASKED, "answer": "B"}]
    assert shape_completions(read).rows == [{"prompt": ASKED, "completion": "B", "answer": "B"}]
    assert not shape_prompts(read).passed_over


def test_the_count_begins_where_the_answers_show_it() -> None:
    def answers(*values: int) -> tuple[list[str], bool]:
        shaped = shape_prompts(
            rows(*({"question": f"{n}?", "choices": TEXTS, "answer": value} for n, value in enumerate(values)))
        )
        guessed = note("options_from_0", column="answer") in shaped.notes
        return [row["answer"] for row in shaped.rows], guessed

    assert answers(0, 2) == (["A", "C"], False)
    assert answers(1, 3) == (["A", "C"], False)
    assert answers(1, 2) == (["B", "C"], True)


def test_an_answer_that_is_no_option_is_told() -> None:
    read = rows(
        *({"question": "Which?", "choices": TEXTS, "answer": answer} for answer in ("B", "E", "7", ["A", "B"], ""))
    )
    shaped = shape_prompts(read)
    assert [row.get("answer") for row in shaped.rows] == ["B", None]
    assert [(row.line, row.why) for row in shaped.left_out] == [
        (2, WhyLeftOut.NO_OPTION),
        (3, WhyLeftOut.NO_OPTION),
        (4, WhyLeftOut.NO_OPTION),
    ]
    assert LeftOut(5, WhyLeftOut.MISSING, "answer") in shape_completions(read).left_out


def test_a_row_without_options_is_asked_as_it_stands() -> None:
    read = rows(
        {"question": "Which?", "choices": TEXTS, "answer": "A"}, {"question": "Why?", "choices": [], "answer": ""}
    )
    assert shape_prompts(read).rows[1] == {"prompt": "Why?"}


def test_the_right_one_of_gpqa_is_not_always_the_first() -> None:
    def row(n: int) -> dict[str, str]:
        return {"Question": f"{n}?", "Correct Answer": f"yes {n}"} | {
            f"Incorrect Answer {k}": f"no {n} {k}" for k in (1, 2, 3)
        }

    shaped = shape_prompts(rows(*(row(n) for n in range(40))))
    for asked in shaped.rows:
        line = next(line for line in asked["prompt"].splitlines() if line.startswith(f"{asked['answer']}. "))
        assert "yes" in line
    assert {asked["answer"] for asked in shaped.rows} == {"A", "B", "C", "D"}
    assert note("options_shuffled") in shaped.notes
