r"""Mathematics and amounts as people type them without LaTeX: ``2pi``, ``ln 2``, ``sqrt 3``, noon, 50-50. Marked or in a sentence.

Each is the right value or an error that is told, and a nearby wrong answer is not accepted.
"""

from __future__ import annotations

import pytest

from lab.core.rules import Score, score
from lab.rules import RULES


def says(completion: str, answer: str) -> Score:
    return score(RULES["equals_answer"], "What is it?", completion, answer)


SAME = [
    ("#### 2pi", r"2\pi", r"\pi"),
    ("#### pi/2", r"\frac{\pi}{2}", r"2\pi"),
    ("The area is 25pi.", r"25\pi", "25"),
    ("The area is 25π.", r"25\pi", "25"),
    ("The area is 25 pi cm^2.", r"25\pi", "25"),
    ("With r = 1 the area is pi.", r"\pi", "1"),
    ("A = pi * 5^2 = 25pi", r"25\pi", "25"),
    ("x = 2pi or x = pi", r"\{\pi, 2\pi\}", r"\{\pi, 3\pi\}"),
    ("#### pi, 2pi", r"\pi, 2\pi", r"\pi, 3\pi"),
    ("#### [0, 2pi)", r"[0,2\pi)", r"[0,\pi)"),
    ("#### pi r^2 h", r"\pi r^2 h", "r^2 h"),
    ("The angle is pi/6.", "30°", "60°"),
    ("#### 180°", r"\pi", r"2\pi"),
    ("#### pi/6 rad", "30°", "60°"),
    ("#### Life of Pi", "Life of Pi", "Titanic"),
    ("#### ln(2)", r"\ln 2", r"\ln 3"),
    ("So we get ln 2.", r"\ln 2", "2"),
    ("The result is log(5).", r"\log 5", "5"),
    ("#### log_2 8", "3", "8"),
    ("#### log2(8)", "3", "8"),
    ("#### sin 30°", "1/2", "30"),
    ("sin(30°) = 0.5", "0.5", "30"),
    ("#### sin(pi/6)", "1/2", r"\pi/6"),
    ("#### sin x", r"\sin(x)", r"\cos x"),
    ("#### cos 0", "1", "0"),
    ("#### theta", r"\theta", r"\alpha"),
    ("#### n log n", r"n \log n", "n"),
    ("#### exp(x)", "e^x", "x"),
    ("#### sqrt 2", r"\sqrt{2}", "2"),
    ("It is 2 sqrt(3) long.", r"2\sqrt{3}", "3"),
    ("The answer is sqrt 2 / 2", r"\frac{\sqrt{2}}{2}", "1"),
    ("#### cbrt(8)", "2", "8"),
    ("#### +oo", r"\infty", "0"),
    ("#### 5th", "5", "6"),
    ("#### 20 and a half", "20.5", "20"),
    ("#### 5 grand", "5000", "5"),
    ("#### 5 mln", "5,000,000", "5"),
    ("noon", "12:00", "0:00"),
    ("#### 12 noon", "12 pm", "12 am"),
    ("#### midnight", "0:00", "12:00"),
    ("#### Mon", "Monday", "Tuesday"),
    ("#### Sept", "September", "October"),
]


@pytest.mark.parametrize(("completion", "answer", "other"), SAME)
def test_the_same_and_no_other(completion: str, answer: str, other: str) -> None:
    assert says(completion, answer) == Score(1.0)
    assert says(completion, other) == Score(0.0)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("#### C(5,2)", "10"),
        ("#### abs(x)", "|x|"),
        ("It is a 50-50 chance.", "0.5"),
        ("#### 50/50", "1"),
        ("#### 50-50", "0"),
        ("The chance is 1 in 3.", "1/3"),
        ("#### 1-1/2", "1.5"),
        ("#### 20 and 1/2", "20.5"),
        ("#### 1.000,50", "1000.5"),
        ("#### 3:4", "3/7"),
        ("#### 3 : 4", "0.75"),
        ("#### a score", "20"),
        ("#### 2i", r"\sqrt{-4}"),
        ("x + y = 5", "5"),
        ("The train leaves at 3:30 pm from platform 2.", "15:30"),
    ],
)
def test_what_cannot_be_told_is_an_error(completion: str, answer: str) -> None:
    outcome = says(completion, answer)
    assert outcome.error is not None, outcome


def test_an_equation_that_gives_its_letter_another_value_is_wrong() -> None:
    assert says("9x = 1", "1") == Score(0.0)
    assert says("3x = 15", "15") == Score(0.0)


def test_words_that_look_like_functions_and_numbers_stay_words() -> None:
    assert says("He kept a log and sold 5 pieces.", "5") == Score(1.0)
    assert says("There are 5 apples left at 3 pm.", "5") == Score(1.0)
    assert says("He spins 3 tops in the afternoon: 3 left.", "3") == Score(1.0)
    assert says("#### 5 sec", "5 s") == Score(1.0)
    assert says("#### 5 min", "300 s") == Score(1.0)
