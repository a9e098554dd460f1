"""What holds for every ready-made rule on every text: a finite number within bounds or a ValueError, in linear time."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.rules import Rule, score
from lab.rules import RULES
from lab.rules.equality import IN_MATHEMATICS_WORKER
from lab.rules.mathematics import equals_answer
from lab.rules.numbers import LONGEST_LITERAL, Unreadable, expression, tokens
from lab.rules.values import CannotTell

HERE = [rule for rule in RULES.values() if rule.name not in IN_MATHEMATICS_WORKER | {"equals_answer"}]
HERE.append(replace(RULES["equals_answer"], function=partial(equals_answer, same_formula=str.__eq__)))
"""Those that keep to linear time by themselves; ``test_equality.py`` has the other."""
ALL = pytest.mark.parametrize("rule", HERE, ids=lambda rule: rule.name)

# Text that looks like an answer comes closer to the edges than random characters do.
PIECES = [
    "x",
    "=",
    " ",
    "5",
    "15/3",
    "3x",
    "+",
    "-",
    "*",
    "/",
    "(",
    ")",
    ".",
    ",",
    "%",
    "$",
    "\n",
    "无解",
    "no solution",
]
PIECES += [
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "####",
    "\\boxed{",
    "\\frac{1}{2}",
    "}",
    "a",
    "of",
    "half",
    "→",
]
PIECES += ["```", "def f():", "１", "，", "\ud800", "\0", "9" * 50, "e9", "²", "٣", "0"]
TEXT = st.one_of(
    st.text(), st.text(st.characters(), max_size=50), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
)


@ALL
@given(prompt=TEXT, completion=TEXT, answer=st.one_of(st.none(), TEXT))
def test_any_text_gives_a_number_within_bounds_or_a_value_error(
    rule: Rule, prompt: str, completion: str, answer: str | None
) -> None:
    try:
        score = rule.function(prompt, completion, answer)
    except ValueError as error:
        assert isinstance(error, CannotTell) or str(error) == "the answer is not known"
        return
    assert isinstance(score, float)
    assert math.isfinite(score)
    assert rule.low <= score <= rule.high


@ALL
@given(completion=TEXT)
def test_rules_are_pure(rule: Rule, completion: str) -> None:
    asked = ("Solve 3x + 5 = 20. (A) 5 (B) 6", completion, "5")
    assert score(rule, *asked) == score(rule, *asked)


LONG = [
    "x = 5 ",
    "3x = 15 → x = 5\n",
    "1=",
    "(",
    "((1) ",
    "\\frac{1}{2}",
    "<think>",
    "a b ",
    "解",
    "1,234,",
    " ",
    "x=5;",
]


@pytest.mark.parametrize("unit", LONG, ids=repr)
@pytest.mark.parametrize("rule", [r for r in HERE if not r.name.startswith("python")], ids=lambda r: r.name)
def test_a_hundred_kilobytes_take_no_more_than_linear_time(rule: Rule, unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        gc.disable()  # a look for garbage goes through all that this process ever loaded, torch among it
        try:
            start = time.process_time()
            with contextlib.suppress(ValueError):
                rule.function(text, text, "5")
            return time.process_time() - start
        finally:
            gc.enable()

    # Each time another text, so that nothing is remembered.
    small = min(seconds(10_000 + n) for n in range(2))
    large = min(seconds(100_000 + n) for n in range(2))
    # Ten times the text: quadratic time would be a hundred times; 20 ms stand for what a small text is too short to show.
    assert large < 40 * max(small, 0.02), f"{small:.3f} s for 10 kB, {large:.3f} s for 100 kB"


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=99), st.integers(1, 9))
def test_numbers_are_compared_as_numbers(value: Fraction, factor: int) -> None:
    written = f"x = {value.numerator * factor}/{value.denominator * factor}"
    assert equals_answer("", written, str(value)) == 1.0
    assert equals_answer("", written, str(value + 1)) == 0.0


@given(st.integers(-(10**12), 10**12))
def test_integers_in_every_writing(value: int) -> None:
    for written in (
        f"{value}",
        f"{value:,}",
        f"{value}.0",
        f"{value}.",
        f"x = {value}",
        f"${value}" if value >= 0 else f"-${-value}",
    ):
        assert equals_answer("", written, str(value)) == 1.0, written


def test_no_literal_grows_beyond_its_text() -> None:
    assert expression(tokens("9" * LONGEST_LITERAL)).constant == int("9" * LONGEST_LITERAL)
    for text in ("9" * (LONGEST_LITERAL + 1), "1e999999999", "9**9**9**9"):
        with pytest.raises(Unreadable):
            expression(tokens(text))


def test_every_rule_says_what_it_is_in_both_languages() -> None:
    for name, rule in RULES.items():
        assert name == rule.name
        assert rule.label_en and rule.label_zh and rule.about_en and rule.about_zh


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_rule_that_fails_without_an_answer_declares_it(rule: Rule) -> None:
    outcome = score(rule, "Solve 3x + 5 = 20", "x = 5", None)
    assert rule.needs_answer == (outcome.error is not None), outcome
