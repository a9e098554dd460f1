"""The ready-made rule that two expressions are equal as mathematics, read and compared by math-verify (sympy).

It reads LaTeX as well as plain numbers and may compute at length on what a model wrote, so it belongs into a worker that can be killed
(``lab.sandbox``); it stops by ``signal.alarm`` and so runs in a process's main thread only. Numbers alone: ``mathematics.py``.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

SECONDS = 1 if os.name == "posix" else None
"""What reading a text, and comparing two, may take each; None where there is no alarm and only the worker's limit holds."""

WHILE_LOADING = 60 if SECONDS else None
"""Seconds of the first comparison, which loads most of sympy."""

WARMING_UP = (
    ("(x + 1)^2", "x^2 + 2x + 1"),
    (r"\log_2 8", "3"),
    (r"\sin(30 \cdot \pi / 180)", "0.5"),
    (r"\binom{4}{2}", "6"),
)
"""Pairs whose comparison loads what others need: powers, logarithms, functions of an angle, factorials."""

LONGEST_FORMULA = 200
"""Characters of a text that is read as one formula although no signs of LaTeX stand around it."""

_WORDS = re.compile(r"[^\W\d_]{2}")
_COMMAND = re.compile(r"\\[A-Za-z]+")

FORMULAS = "formulas_equal"
"""What the worker of mathematics is asked for beside rules: whether two formulas are equal."""

IN_MATHEMATICS_WORKER = frozenset({"mathematically_equal"})
"""The names of the rules that belong into the worker that has math-verify loaded."""


def mathematically_equal(prompt: str, completion: str, answer: str | None) -> float:
    r"""1 where the final answer equals the known one as mathematics: ``\frac{1}{2}``, 0.5 and 1/2; ``\{1, 2\}`` and ``\{2, 1\}``.

    Decimals are compared to six places. Raises ValueError where no answer is known or it cannot be read, and what math-verify
    raises, also when it takes too long; a completion in which nothing can be read scores 0.
    """
    if answer is None or not answer.strip():
        raise ValueError("the answer is not known")
    wanted = _expressions(answer)
    if not wanted:
        raise ValueError("the answer cannot be read as mathematics")
    return float(_verified(wanted, _expressions(completion)))


def formulas_equal(first: str, second: str) -> bool:
    """Whether two formulas are equal as mathematics. Raises ValueError where one cannot be read, TimeoutError where it takes too long."""
    read = [_expressions(f"${formula}$") for formula in (first, second)]
    for formula, expressions in zip((first, second), read, strict=True):
        if not expressions:
            raise ValueError(f"cannot be read as mathematics: {formula[:60]}")
    return _verified(*read)


def _verified(first: list[object], second: list[object]) -> bool:
    """Whether math-verify finds two read expressions equal. Raises TimeoutError, and what else math-verify raises."""
    math_verify = library()
    try:
        return bool(math_verify.verify(first, second, timeout_seconds=SECONDS, raise_on_error=True))
    except math_verify.errors.TimeoutException:
        raise TimeoutError(f"took longer than {SECONDS} s") from None


@cache
def library() -> Any:
    """math-verify, with all of sympy loaded that a comparison needs: that takes seconds, which are no completion's."""
    import math_verify

    for pair in WARMING_UP:
        first, second = (math_verify.parse(f"${formula}$", parsing_timeout=WHILE_LOADING) for formula in pair)
        math_verify.verify(first, second, timeout_seconds=WHILE_LOADING)
    return math_verify


def _expressions(text: str) -> list[object]:
    """What math-verify finds in a text: of one with answer tags or ``####`` in what follows the last. Texts that are no mathematics
    are left out, so that none equals another by its letters."""
    math_verify = library()
    if "<answer>" in text:
        text = text.rpartition("<answer>")[2].partition("</answer>")[0]
    text = text.rpartition("####")[2].strip()
    for form in (f"${text}$", text) if _is_formula(text) else (text,):
        try:
            parsed = math_verify.parse(form, fallback_mode="no_fallback", parsing_timeout=SECONDS, raise_on_error=True)
        except math_verify.errors.TimeoutException:
            raise TimeoutError(f"took longer than {SECONDS} s") from None
        except Exception:  # whatever its parsers make of a text that is no mathematics: it cannot be read
            parsed = []
        if parsed:
            return list(parsed)
    return []


def _is_formula(text: str) -> bool:
    """Whether a text is one formula and nothing else: it is short, has no words, and no signs that set formulas apart."""
    return len(text) <= LONGEST_FORMULA and "$" not in text and not _WORDS.search(_COMMAND.sub(" ", text))
