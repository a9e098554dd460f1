"""Read text as mathematics: numbers as exact rationals, linear expressions in one letter. Not a calculator.

Everything is bounded (the length of a literal, of an expression, the depth of parentheses), so that no text that a model
writes can make a rule slow; there are no powers, so no number can grow beyond the text that it came from. What
cannot be read raises ``Unreadable``; a rule then passes over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

LONGEST_LITERAL = 40
"""Characters of one number; a longer one is not read."""

LONGEST_EXPRESSION = 64
"""Tokens of one side of an equation."""

DEEPEST = 16
"""Parentheses within parentheses."""

_DIGITS = frozenset("0123456789")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz_")
_WORD_OR_DIGIT = _WORD | _DIGITS


class Unreadable(ValueError):
    """This text is not mathematics that the rules read."""


Number = int | Fraction
"""Exact; whole numbers stay ``int`` because a Fraction is ten times slower. They compare as equal: 15/3 == 5."""


class Linear(NamedTuple):
    """``factor · letter + constant``; ``letter`` is empty where there is none."""

    constant: Number
    factor: Number = 0
    letter: str = ""


def tokens(text: str) -> list[str]:
    """Split plain text into numbers, words and single characters; blanks and dollar signs are left out.

    A comma belongs to a number only where exactly three digits follow it: ``1,234`` but ``1, 2`` and ``1,23``.
    """
    parts: list[str] = []
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        start = at
        if char in _DIGITS or (char == "." and text[at + 1 : at + 2] in _DIGITS):
            at = _end_of_number(text, at)
            parts.append(text[start:at])
        elif char in _WORD:
            while at < end and text[at] in _WORD_OR_DIGIT:
                at += 1
            parts.append(text[start:at])
        elif char > "\x7f" and char.isalpha():  # 解得x=5: the letter is no part of the word before it
            while at < end and text[at] > "\x7f" and text[at].isalpha():
                at += 1
            parts.append(text[start:at])
        else:
            if char not in " \t$":
                parts.append(char)
            at += 1
    return parts


def _end_of_number(text: str, at: int) -> int:
    end = len(text)
    seen_point = False
    while at < end:
        char = text[at]
        if char in _DIGITS:
            at += 1
        elif char == "." and not seen_point and text[at + 1 : at + 2] in _DIGITS:
            seen_point = True
            at += 1
        elif char == "," and not seen_point and _three_digits(text, at + 1):
            at += 1
        else:
            break
    return at


def _three_digits(text: str, at: int) -> bool:
    following = text[at : at + 4]
    return len(following) >= 3 and following[:3].isdecimal() and not following[3:].isdecimal()


def is_number(token: str) -> bool:
    """Whether a token is a literal, of whatever length."""
    return token[0] in _DIGITS or (token[0] == "." and len(token) > 1)


def number(token: str) -> Number:
    """The value of one literal without a sign: ``5``, ``2.5``, ``.5``, ``1,234``."""
    if len(token) > LONGEST_LITERAL:
        raise Unreadable(token[:LONGEST_LITERAL])
    if token.isdecimal():
        return int(token)
    return Fraction(token.replace(",", ""))


def expression(side: Sequence[str]) -> Linear:
    """The value of a side of an equation, given as tokens; raises ``Unreadable``."""
    if not side or len(side) > LONGEST_EXPRESSION:
        raise Unreadable("empty or too long")
    if len(side) == 1:  # by far the most frequent: a number or a letter
        return _atom(side[0])
    reader = _Reader(side)
    value = reader.sum(0)
    if reader.at != len(side):
        raise Unreadable(side[reader.at])
    return value


def _atom(token: str) -> Linear:
    if is_number(token):
        return Linear(number(token))
    if len(token) == 1 and "a" <= token <= "z":
        return Linear(0, 1, token)
    raise Unreadable(token[:LONGEST_LITERAL])


class _Reader:
    """Precedence climbing over tokens: sums of products of atoms, with ``3x`` and ``2(x + 1)`` as products."""

    def __init__(self, side: Sequence[str]) -> None:
        self.side = side
        self.at = 0

    def peek(self) -> str:
        return self.side[self.at] if self.at < len(self.side) else ""

    def sum(self, depth: int) -> Linear:
        value = self.product(depth)
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            value = _add(value, self.product(depth), 1 if sign == "+" else -1)
        return value

    def product(self, depth: int) -> Linear:
        value = self.factor(depth)
        while following := self.peek():
            if following in ("*", "/"):
                self.at += 1
                right = self.factor(depth)
                value = _multiply(value, right) if following == "*" else _divide(value, right)
            elif self._goes_on(following):
                value = _multiply(value, self.factor(depth))
            else:
                break
        return value

    def _goes_on(self, following: str) -> bool:
        """``3x``, ``3(…)``, ``(…)(…)``, ``(…)x`` are products; ``x(…)`` may be a function, ``3 4`` is nothing."""
        before = self.side[self.at - 1]
        after_number_or_group = before == ")" or is_number(before)
        return after_number_or_group and (following == "(" or (len(following) == 1 and following.isalpha()))

    def factor(self, depth: int) -> Linear:
        sign = 1
        while (token := self.peek()) in ("+", "-"):
            sign = -sign if token == "-" else sign
            self.at += 1
        if token == "(":
            if depth >= DEEPEST:
                raise Unreadable("too deep")
            self.at += 1
            value = self.sum(depth + 1)
            if self.peek() != ")":
                raise Unreadable("(")
        elif token:
            value = _atom(token)
        else:
            raise Unreadable("nothing")
        self.at += 1
        return value if sign == 1 else Linear(-value.constant, -value.factor, value.letter)


def _letter(left: Linear, right: Linear) -> str:
    if left.letter and right.letter and left.letter != right.letter:
        raise Unreadable("two letters")
    return left.letter or right.letter


def _add(left: Linear, right: Linear, sign: int) -> Linear:
    return Linear(left.constant + sign * right.constant, left.factor + sign * right.factor, _letter(left, right))


def _multiply(left: Linear, right: Linear) -> Linear:
    if left.letter and right.letter:
        raise Unreadable("not linear")
    if right.letter:
        left, right = right, left
    if not left.letter:
        return Linear(left.constant * right.constant)
    return Linear(left.constant * right.constant, left.factor * right.constant, left.letter)


def _divide(left: Linear, right: Linear) -> Linear:
    if right.letter or not right.constant:
        raise Unreadable("no quotient")
    if not left.letter:
        return Linear(Fraction(left.constant, right.constant))
    return Linear(Fraction(left.constant, right.constant), Fraction(left.factor, right.constant), left.letter)
