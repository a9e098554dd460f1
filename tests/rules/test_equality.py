"""Mathematical equality: what is equal, what is not, what is an error, and that nothing a model writes holds it up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.core.rules import Score, score
from lab.rules.equality import mathematically_equal
from lab.sandbox.ready import READY, mathematics_worker
from tests.rules.test_properties import TEXT

RULE = READY["mathematically_equal"]
SLOWEST = 2.5
"""Seconds of one hostile completion: 1 s to its alarm, 1.5 s where it does not hear it."""


@pytest.fixture(scope="module", autouse=True)
def one_worker() -> Iterator[None]:
    mathematics_worker().start()
    yield
    mathematics_worker().close()


def says(completion: str, answer: str | None) -> Score:
    return score(RULE, "", completion, answer)


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        ("1/2", "0.5"),
        (r"\frac{1}{2}", "0.5"),
        ("0.5", r"so it is $\frac{1}{2}$."),
        ("1/2", r"the answer is \(0.5\)"),
        ("5", "3x = 15 → x = 15/3"),
        ("x = 5", "5"),
        ("18", "6 + 12 makes #### 18"),
        ("so 6 + 12\n#### 18", r"\boxed{18}"),
        ("5", "<think>2</think><answer>x = 5</answer>"),
        (r"\{1, 2\}", r"\{2, 1\}"),
        (r"\{1, 2\}", r"the set $\{2, 1\}$"),
        ("(1, 2)", "the point $(1, 2)$"),
        ("[1, 2)", "$[1,2)$"),
        (r"\sqrt{2}", "$2^{1/2}$"),
        ("x^2 + 2x + 1", "$(x+1)^2$"),
        ("1,234", "1234"),
        ("50%", "0.5"),
    ],
)
def test_equal(answer: str, completion: str) -> None:
    assert says(completion, answer) == Score(1.0)


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        ("5", "6"),
        ("5", "无解"),
        ("5", ""),
        ("(1, 2)", "$(2, 1)$"),
        (r"\{1, 2\}", r"$\{1, 2, 3\}$"),
        ("x", "$y$"),
        ("1/3", "0.33"),
        ("5", "\0"),
        ("5", "((((" * 1000),
        ("5", "$" * 3000),
    ],
)
def test_not_equal(answer: str, completion: str) -> None:
    assert says(completion, answer) == Score(0.0)


@pytest.mark.parametrize("answer", [None, "", " ", "无解", "no solution"])
def test_an_answer_that_is_no_mathematics_is_an_error(answer: str | None) -> None:
    found = says("5", answer)
    assert found.error is not None and "ValueError" in found.error


@pytest.mark.parametrize(
    "completion",
    [
        "9^(9^9)",
        "$9^{9^{9^{9}}}$",
        "$2^{1000000000}$",
        "$(10^{9})!$",
        r"$\int_0^1 \sin(x^x) dx$",
        r"$\sum_{n=1}^{10^9} \frac{1}{n^{3}}$",
        "$" + r"\frac{1}{" * 200 + "2" + "}" * 200 + "$",
        "$" + "x^2+" * 3000 + "1$",
        "1" * 20_000,
        r"$\text{" * 500,
        "1 + " * 20_000,
    ],
    ids=lambda completion: completion[:16],
)
def test_a_hostile_completion_is_an_error_or_no_answer_in_time(completion: str) -> None:
    start = time.monotonic()
    found = says(completion, "5")
    taken = time.monotonic() - start
    assert found.value == 0.0
    mathematics_worker().start()  # again, where it was killed: that takes longer than a completion may
    assert taken < SLOWEST
    assert says("x = 5", "5") == Score(1.0)


@settings(deadline=None, max_examples=60)
@given(completion=TEXT, answer=st.one_of(st.none(), TEXT))
def test_any_text_gives_0_or_1_or_an_error(completion: str, answer: str | None) -> None:
    found = says(completion, answer)
    assert found.value in (0.0, 1.0)
    if found.error is not None:
        assert "the answer" in found.error or "took longer" in found.error, found


def test_names_in_a_completion_are_never_python() -> None:
    for text in ("__import__('os').getpid()", "$__import__('os')$", "1 + __import__", "(1).__class__", "5 if 1 else 6"):
        assert says(text, "7").value == 0.0


EQUALS = READY["equals_answer"]


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        ("3", r"$\log_2 8$"),
        (r"\frac{1}{2}", r"\boxed{\sin 30^\circ}"),
        (r"\sqrt{3 + 2\sqrt{2}}", r"\boxed{1 + \sqrt{2}}"),
        (r"\binom{5}{2}", r"\boxed{10}"),
        ("e^x + 1", "The answer is $1 + e^x$."),
        (r"\{\ln 2, 3\}", r"$\{3, \ln 2\}$"),
    ],
)
def test_equals_answer_asks_math_verify_for_what_it_cannot_read_exactly(answer: str, completion: str) -> None:
    assert score(EQUALS, "", completion, answer) == Score(1.0)


@pytest.mark.parametrize(
    ("answer", "completion"),
    [("4", r"$\log_2 8$"), (r"\sqrt{3 + 2\sqrt{2}}", r"\boxed{1 - \sqrt{2}}"), ("e^x + 1", "The answer is $e^x - 1$.")],
)
def test_equals_answer_refuses_what_differs_as_mathematics(answer: str, completion: str) -> None:
    assert score(EQUALS, "", completion, answer) == Score(0.0)


@pytest.mark.parametrize("completion", [r"\boxed{\foo{5} \bar 6}", r"\boxed{\int_}", r"\boxed{9^{9^{9^{x}}} + \sin(}"])
def test_equals_answer_says_so_where_a_formula_cannot_be_read(completion: str) -> None:
    assert score(EQUALS, "", completion, "6").error is not None


def test_dollars_do_not_hide_what_follows_four_hashes() -> None:
    assert says("so $5$ and then #### 6", "6") == Score(1.0)
    assert says("so $5$ and then #### 6", "5") == Score(0.0)
    assert says("\\boxed{5} is half of it\n#### 10", "10") == Score(1.0)
    assert says("\\boxed{5} is half of it\n#### 10", "5") == Score(0.0)


def test_it_is_the_same_function_without_a_worker() -> None:
    assert mathematically_equal("", "0.5", "1/2") == 1.0
