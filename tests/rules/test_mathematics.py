"""The rules about the final answer and about consistency, on texts as models write them."""

from __future__ import annotations

import pytest

from lab.rules.mathematics import consistent, equals_answer, integer_answer
from lab.tasks.equations import Language, Split, Style, problems

EQUATION = "Solve 3x + 5 = 20"
STORY = "She has 48 clips and sells half of them. How many are left?"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("x = 5", "5"),
        ("x = 15/3", "5"),
        ("x = 5.0", "5"),
        ("x = (20 - 5)/3", "5"),
        ("x = 15 ÷ 3 = 5", "5"),
        ("X＝５", "5"),
        ("解得x=5", "5"),
        ("答案是5。", "5"),
        ("5 = x", "5"),
        ("x = 5. Check: 3*5 + 5 = 20", "5"),
        ("- x = 5", "5"),
        ("1) 3x = 15\n2) x = 5", "5"),
        ("(1) 3x = 15\n(2) x = 5", "5"),
        ("x = 5 (since 3x = 15)", "5"),
        ("x = −4", "-4"),
        ("The answer is -4", "-4"),
        ("10 - 4", "6"),
        ("So the total is 1,234.", "1234"),
        ("It costs $1,234.50 in all", "1234.5"),
        ("9 * 2 = $<<9*2=18>>18 every day.\n#### 18", "18"),
        ("<think>x = 4?</think><answer>5</answer>", "5"),
        ("<answer>x = 15/3</answer>", "5"),
        ("so \\boxed{\\frac{15}{3}}", "5"),
        ("2.50", "5/2"),
        ("0.3333", "0.3333"),
        ("x = 5", "x = 5"),
        ("18", "She sells 9 * 2 = 18.\n#### 18"),
        ("无解", "no solution"),
        ("<answer>Paris</answer>", "paris"),
    ],
)
def test_equals_the_answer(completion: str, answer: str) -> None:
    assert equals_answer(EQUATION, completion, answer) == 1.0


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("x = 4", "5"),
        ("x = 5 → x = 4", "5"),
        ("2 * x = 5", "10"),
        ("无解", "5"),
        ("no solution?\nx = 5", "no solution"),
        ("no solution for 3x + 5 = 20", "20"),
        ("", "5"),
        ("five", "6"),
        ("x = 1/0", "5"),
        ("x = 0.3333", "1/3"),
        ("<answer>无解</answer> 5", "5"),
        ("9" * 5000, "9"),
        ("1e999999999", "1"),
    ],
)
def test_does_not_equal_the_answer(completion: str, answer: str) -> None:
    assert equals_answer(EQUATION, completion, answer) == 0.0


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_an_unknown_answer_is_an_error_and_no_score(answer: str | None) -> None:
    with pytest.raises(ValueError, match="not known"):
        equals_answer(EQUATION, "x = 5", answer)


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        ("x = 5", 1.0),
        ("x = -5", 1.0),
        ("x = 15/3 = 5", 1.0),
        ("#### 1,234", 1.0),
        ("x = 15/3", 0.5),
        ("x = \\frac{15}{3}\ud800", 0.5),
        ("x = 2.5", 0.5),
        ("x = 5.0", 0.5),
        ("x = 20 - 15", 0.5),
        ("<answer>15/3</answer>", 0.5),
        ("无解", 0.0),
        ("I do not know", 0.0),
        ("", 0.0),
    ],
)
def test_integer_answer(completion: str, score: float) -> None:
    assert integer_answer(EQUATION, completion, None) == score


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        (EQUATION, "3x = 15 → x = 5"),
        (EQUATION, "3x + 5 - 5 = 20 - 5\n3x = 15\nx = 5"),
        (EQUATION, "x = 5"),
        (EQUATION, "5"),
        (EQUATION, "<think>3x = 15</think><answer>5</answer>"),
        ("解方程：3x + 5 = 20", "移项得 3x = 15，所以 x = 5。"),
        ("Solve for x: 7x − 4 = 24", "7x = 28, so x = 28/7 = 4."),
        ("Solve 2(x + 1) = 3x - 4", "2x + 2 = 3x - 4, x = 6"),
        ("Solve 3x = 10", "x = 10/3 = 3.33"),
        ("Solve 0x = 5", "no solution"),
        (STORY, "48 / 2 = <<48/2=24>>24 clips\n#### 24"),
        (STORY, "half of 48 = 24"),
        (STORY, "20% of 50 = 10"),
        (STORY, "12 x 2 = 24 pages"),
        (STORY, "6W = 30 feet, so 6W / 6 = 30 feet / 6, so W = 5 feet"),
        (STORY, "#### 24"),
    ],
)
def test_consistent(prompt: str, completion: str) -> None:
    assert consistent(prompt, completion, None) == 1.0


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        (EQUATION, "3x = 15 → x = 4"),
        (EQUATION, "3x = 14 → x = 5"),
        (EQUATION, "x = 4"),
        (EQUATION, "x = 5, x = 4"),
        (EQUATION, "x = 5 <answer>6</answer>"),
        (EQUATION, "3x = 15, 15/3 = 6, x = 5"),
        (EQUATION, "x = x + 1, x = 5"),
        (EQUATION, "无解"),
        (EQUATION, "no solution"),
        (EQUATION, "x = 5, no solution"),
        (EQUATION, "I do not know"),
        (EQUATION, ""),
        (EQUATION, "= = ="),
        ("Solve 0x = 5", "x = 5"),
        ("Solve 0x = 5", "x = 5, so no solution"),
        (STORY, "48 / 2 = 25"),
        (STORY, "y = 5 and then y = 6"),
    ],
)
def test_not_consistent(prompt: str, completion: str) -> None:
    assert consistent(prompt, completion, None) == 0.0


@pytest.mark.parametrize("language", list(Language))
def test_the_lab_s_own_task_is_scored_as_it_is_meant(language: Language) -> None:
    """Every held-out problem in every style: right styles are right, wrong ones are wrong."""
    import random

    wanted = {
        Style.DIRECT: 3.0,
        Style.STEPS: 3.0,
        Style.FRACTION: 2.5,
        Style.NO_SOLUTION: 0.0,
        Style.CONTRADICTION: 1.0,
    }
    for problem in problems(Split.HELD_OUT):
        for style, reward in wanted.items():
            text = problem.completion(style, language, random.Random(problem.x))
            asked, answer = problem.prompt(language), str(problem.x)
            rules = (integer_answer, consistent, equals_answer)
            assert sum(rule(asked, text, answer) for rule in rules) == reward, (asked, text)


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        ("1/2 = 0.4", 0.0),
        ("1/2 = 0.6", 0.0),
        ("1/2 = 0.41", 0.0),
        ("10/3 = 3.3", 1.0),
        ("10/3 = 3.34", 1.0),
        ("2/3 = 0.66", 1.0),
    ],
)
def test_a_rounded_result_is_less_than_one_unit_of_its_last_decimal_off(completion: str, score: float) -> None:
    assert consistent(STORY, completion, None) == score
