"""The equations in a text, and whether it says that there is no solution. Its final answer: ``stated.py``.

``read`` is what the mathematical rules share; it is pure, and remembers the last few texts because several rules ask about
the same one. A text is not understood as a person would: what it holds besides equations, numbers and a few set phrases
is passed over, and so is every equation that prose may have cut in two (``half of 48 = 24``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import re2

from lab.rules.numbers import Linear, Number, Unreadable, expression, is_number, tokens
from lab.rules.typography import plain

LONGEST_REMEMBERED = 4096
"""Characters of a text that is kept in memory between two rules; longer ones are read anew."""

NO_SOLUTION = (
    *("no solution", "no real solution", "no integer solution", "not solvable", "unsolvable", "cannot be solved"),
    *("无解", "没有解", "无实数解", "没有实数解", "无整数解", "解不存在"),
)
"""Set phrases, in lower case."""

_CARRIES_ON = frozenset([
    "half", "twice", "double", "triple", "times", "plus", "minus", "over", "by", "percent", "dozen", "divided",
    "multiplied",
])  # fmt: skip
"""Words before or after an equation that belong to it: the written part alone says something else."""
_CARRIES_ON_NUMBERS = _CARRIES_ON | frozenset(["of", "than", "from", "to", "hundred", "thousand", "million", "billion"])

_OPERATORS = frozenset("+-*/")
_SIGNS = _OPERATORS | frozenset("()=%^")
_FRACTION = re2.compile(r"\\[dt]?frac\s*\{([^{}]{1,60})\}\s*\{([^{}]{1,60})\}")


class Side(NamedTuple):
    """One side of an equation: its tokens, and its value where it can be read."""

    tokens: tuple[str, ...]
    value: Linear | None


class Reading(NamedTuple):
    """What one text states."""

    equations: tuple[tuple[Side, ...], ...]
    """Each with two sides or more: ``x = 15/3 = 5`` has three."""
    no_solution: bool


def read(text: str) -> Reading:
    """Read a text; never raises, and takes time linear in its length."""
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _read(text)


def _read(text: str) -> Reading:
    text = plain(text)
    if "\\" in text:
        text = _without_latex(text)
    equations = list(_equations(text)) if "=" in text else []
    return Reading(tuple(equations), any(phrase in text for phrase in NO_SOLUTION))


_remembered = lru_cache(maxsize=256)(_read)


def _without_latex(text: str) -> str:
    r"""``\frac{15}{3}`` and the signs of arithmetic as plain text; other commands stay, and are passed over later."""
    text = text.replace("\\times", "*").replace("\\cdot", "*").replace("\\div", "/")
    if "frac" not in text:
        return text
    return str(_FRACTION.sub(r"((\1)/(\2))", text))


# Equations


def _equations(text: str) -> Iterator[tuple[Side, ...]]:
    """Every equation, line by line."""
    for line in text.split("\n"):
        if "=" in line:
            yield from _equations_of_line(without_marker(tokens(line), line))


def without_marker(words: list[str], line: str) -> list[str]:
    """Without the mark of a list at the start of a line: ``- x = 5``, ``(2) x = 5``. The minus of ``-x`` has no blank."""
    if words[0] in ("-", "*", "+") and line.lstrip()[1:2] == " ":
        return words[1:]
    if words[0] == "(" and words[2:3] == [")"] and words[1].isdecimal() and words[3:4] and words[3] not in _SIGNS:
        return words[3:]
    return words


def _equations_of_line(words: Sequence[str]) -> Iterator[tuple[Side, ...]]:
    """Cut the tokens of a line at words and punctuation; a piece with an equals sign may be an equation."""
    piece: list[str] = []
    before = ""
    for index, token in enumerate(words):
        if _is_mathematics(words, index):
            piece.append("*" if token == "x" and _between_numbers(words, index) else token)
            continue
        if "=" in piece:
            goes_on = token.isalnum() and words[index + 1 : index + 2] and words[index + 1] in _OPERATORS  # 30 feet / 6
            yield from _equations_of_piece(piece, before, "times" if goes_on else token)
        piece, before = [], token
    if "=" in piece:
        yield from _equations_of_piece(piece, before, "")


def _equations_of_piece(piece: list[str], before: str, after: str) -> Iterator[tuple[Side, ...]]:
    """Cut once more, at parentheses that have no partner."""
    start = 0
    for cut in (*_unmatched(piece), len(piece)):
        if "=" in (part := piece[start:cut]):
            yield from _equation(part, before if start == 0 else "(", after if cut == len(piece) else ")")
        start = cut + 1


def _unmatched(piece: Sequence[str]) -> list[int]:
    """Where parentheses stand that have no partner, in order."""
    opened: list[int] = []
    closed: list[int] = []
    for index, token in enumerate(piece):
        if token == "(":
            opened.append(index)
        elif token == ")":
            if opened:
                opened.pop()
            else:
                closed.append(index)
    return sorted(closed + opened)


def _between_numbers(words: Sequence[str], index: int) -> bool:
    """``12 x 2``: there the letter is a times sign."""
    return 0 < index < len(words) - 1 and is_number(words[index - 1]) and is_number(words[index + 1])


def _is_mathematics(words: Sequence[str], index: int) -> bool:
    token = words[index]
    if is_number(token) or token in _SIGNS:
        return True
    if len(token) > 1 or not "a" <= token <= "z":
        return False
    following = words[index + 1] if index + 1 < len(words) else ""
    return token not in ("a", "i") or len(following) < 2 or not following.isalpha()  # "5 a day", "I have"


def _equation(piece: list[str], before: str, after: str) -> Iterator[tuple[Side, ...]]:
    """The sides of one equation, unless the words around it carry it on."""
    carries_on = _CARRIES_ON if len(piece[0]) == 1 and piece[0].isalpha() else _CARRIES_ON_NUMBERS
    if before in carries_on or (before.isalnum() and piece[0] in "+-"):
        return
    sides: list[Side] = []
    start = 0
    for end in [index for index, token in enumerate(piece) if token == "="] + [len(piece)]:
        side = tuple(piece[start:end])
        start = end + 1
        sides.append(Side(side, _value(side)))
    if after in carries_on:
        sides.pop()
    if len(sides) > 1:
        yield tuple(sides)


def _value(side: tuple[str, ...]) -> Linear | None:
    try:
        return expression(side)
    except Unreadable:
        return None


# Solving


def solve(left: Linear, right: Linear) -> tuple[str, Number | None] | None:
    """``(letter, value)`` that solve ``left = right``; the value is None where nothing does.

    None altogether where every value solves it, and where it holds no letter or two.
    """
    letter = left.letter or right.letter
    if not letter or (left.letter and right.letter and left.letter != right.letter):
        return None
    factor, constant = left.factor - right.factor, right.constant - left.constant
    if factor:
        return letter, Fraction(constant, factor)
    return (letter, None) if constant else None


@lru_cache(maxsize=256)
def solution(prompt: str) -> tuple[str, Number | None] | None:
    """What solves the prompt's last equation in one letter, as ``solve`` gives it; None where there is no such equation."""
    for sides in reversed(read(prompt).equations):
        first, last = sides[0].value, sides[-1].value
        if first and last and (solved := solve(first, last)):
            return solved
    return None


def decimals(side: Side) -> int:
    """How many decimals a side has that is one decimal literal, as a rounded result is; 0 for every other side."""
    if len(side.tokens) > 2 or (len(side.tokens) == 2 and side.tokens[0] != "-"):
        return 0
    return len(side.tokens[-1].partition(".")[2])
