"""Which option a completion chooses: letters in every typography and phrase, and what rejects an option."""

from __future__ import annotations

import pytest

from lab.core.rules import Score, score
from lab.rules import RULES

EXACT, CHOICE = RULES["equals_answer"], RULES["multiple_choice"]

QUESTION = "Which?\nA. Paris\nB. Rome\nC. Berlin\nD. Madrid"

CHOSEN = [
    "b",
    "[B]",
    "__B__",
    "Ⓑ",
    "Ｂ",
    "（Ｂ）",
    "𝐁",
    "I'd go with B.",
    "故选：B",
    "正确选项：B",
    "B选项正确",
    "B项",
    "B - Rome",
    "B – Rome",
]
CHOSEN += [
    "B, because Rome",
    "It's B.",
    "It must be B.",
    "Therefore, B.",
    "Answer - B",
    "A is wrong; the answer is B",
    "本题选B",
]


@pytest.mark.parametrize("completion", CHOSEN)
def test_chosen(completion: str) -> None:
    for rule in (EXACT, CHOICE):
        assert score(rule, QUESTION, completion, "B") == Score(1.0)
        assert [score(rule, QUESTION, completion, letter) for letter in "ACD"] == [Score(0.0)] * 3


@pytest.mark.parametrize(
    "completion",
    [
        "不选B",
        "Option B is incorrect.",
        "I would eliminate option B.",
        "Option B is tempting, but it is wrong",
        "排除B",
        "Not B",
        "B, I guess, or C",
    ],
)
def test_an_option_that_is_named_and_not_chosen_is_told(completion: str) -> None:
    for rule in (EXACT, CHOICE):
        assert (score(rule, QUESTION, completion, "B").error or "").startswith("CannotTell")


def test_small_letters_are_options_where_the_prompt_has_options() -> None:
    small = "Pick.\na) 3\nb) 4\nc) 5"
    for rule in (EXACT, CHOICE):
        for completion in ("b", "b)", "(b) 4", "The answer is b."):
            assert score(rule, small, completion, "b") == Score(1.0)
            assert score(rule, small, completion, "c") == Score(0.0)
