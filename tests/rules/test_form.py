"""The rules about form."""

from __future__ import annotations

import pytest

from lab.errors import RuleError
from lab.rules.form import (
    distinct_ngrams,
    format_tags,
    has_tags,
    language,
    length_between,
    no_repetition,
)


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        ("<think>3x = 15</think><answer>5</answer>", 1.0),
        ("  <think>3x\n= 15</think>\n\n<answer>5</answer>\n", 1.0),
        ("<think>a</think><answer>\ud800</answer>", 1.0),
        ("<think></think><answer>5</answer>", 0.0),
        ("<think> </think><answer>5</answer>", 0.0),
        ("<answer>5</answer><think>a</think>", 0.0),
        ("<think>a</think><answer>5</answer> and more", 0.0),
        ("<think>a<think>b</think><answer>5</answer>", 0.0),
        ("x = 5", 0.0),
    ],
)
def test_format_tags(completion: str, score: float) -> None:
    assert format_tags("", completion, None) == score


def test_tags_are_a_parameter() -> None:
    assert has_tags("a.b")("", "<a.b>x</a.b>", None) == 1.0
    assert has_tags("a.b")("", "<acb>x</acb>", None) == 0.0


def test_length_between_counts_characters_and_includes_both_ends() -> None:
    rule = length_between(2, 4)
    assert [rule("", "解" * n, None) for n in range(1, 6)] == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert rule("", "  abc \n\n", None) == 1.0
    with pytest.raises(RuleError):
        length_between(5, 4)


def test_no_repetition() -> None:
    assert no_repetition("", "the cat sat on the mat", None) == 1.0
    assert no_repetition("", "", None) == 1.0
    assert no_repetition("", "a b c a b c", None) == 0.75
    assert no_repetition("", "好" * 10, None) == pytest.approx(1 / 8)
    assert no_repetition("", "a" * 1000, None) == pytest.approx(1 / 998)
    with pytest.raises(RuleError):
        distinct_ngrams(0)


@pytest.mark.parametrize(
    ("prompt", "completion", "score"),
    [
        ("解方程：3x + 5 = 20", "移项得 x = 5", 1.0),
        ("解方程：3x + 5 = 20", "subtract five first", 0.0),
        ("解方程：3x + 5 = 20", "x = 5", 1.0),
        ("请用 Python 解方程 solve equation", "先移项", 1.0),
        ("Solve 3x + 5 = 20", "no solution", 1.0),
        ("Solve 3x + 5 = 20", "无解", 0.0),
        ("Solve 3x + 5 = 20", "so 所以", pytest.approx(1 / 3)),
        ("Solve 3x + 5 = 20", "решение", 0.0),
        ("3x + 5 = 20", "无解", 1.0),
        ("解方程", "<think>移项</think><answer>5</answer>", 1.0),
    ],
)
def test_language(prompt: str, completion: str, score: float) -> None:
    assert language(prompt, completion, None) == score
