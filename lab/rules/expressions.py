r"""Read an expression, plain or LaTeX, in lower case, into its exact normal form (``polynomials.py``).

``\frac{7}{5}``, ``2^3``, ``\sqrt{16}``, ``5 \times 10^3``, ``3\sqrt{2}``, ``6r^2 - 4r - 24`` and ``\frac{1}{1 + \sqrt{2}}`` are read;
logarithms, functions and nested roots are not: they raise ``Unreadable``.
"""

from __future__ import annotations

from fractions import Fraction

from lab.rules.numbers import Unreadable, number
from lab.rules.polynomials import (
    ONE,
    Quotient,
    TooLarge,
    add_quotients,
    divide_quotients,
    multiply_quotients,
    of_number,
    raise_quotient,
    whole_number,
)

MOST_TOKENS = 400
"""Tokens of one expression."""

LONGEST_NUMBER = 600
"""Digits of one number."""

DEEPEST_GROUP = 40
"""Groups within groups."""

_SPACES = {"\\,", "\\!", "\\;", "\\:", "\\ ", "\\quad", "\\qquad", "\\left", "\\right", "\\displaystyle", "~"}
_SAME_SIGN = {"\\times": "*", "\\cdot": "*", "\\div": "/", "π": "\\pi", "∞": "\\infty"}
_SAME_SIGN |= dict.fromkeys(["\\tfrac", "\\dfrac", "\\cfrac"], "\\frac")
_LETTERS = set("abcdefghijklmnopqrstuvwxyz")
_LETTERS |= {
    "\\pi", "\\infty", "\\alpha", "\\beta", "\\gamma", "\\theta", "\\phi", "\\lambda", "\\mu", "\\omega", "\\sigma", "\\rho",
}  # fmt: skip
_DIGIT_SIGNS = frozenset("0123456789")
_ROOTS = {"√": 2, "∛": 3, "∜": 4}
_CLOSING = {"(": ")", "{": "}", "[": "]"}


def quotient(text: str) -> Quotient:
    """The normal form of a whole expression, in lower case. Raises Unreadable."""
    return _Expression(formula_tokens(text)).whole()


def formula_tokens(text: str) -> list[str]:
    r"""Numbers with thousands commas left out, commands (``\frac``), letters and signs; blanks and spacing commands are left out."""
    pieces: list[str] = []
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        start = at
        if char in _DIGIT_SIGNS or (char == "." and text[at + 1 : at + 2] in _DIGIT_SIGNS):
            at = _end_of_digits(text, at)
            piece = text[start:at].replace(",\\!", "").replace("{,}", "").replace(",", "")
            pieces.append(piece)
            continue
        at += 1
        if char == "\\":
            while at < end and text[at].isascii() and text[at].isalpha():
                at += 1
            if at == start + 1:
                at += 1
        piece = text[start:at]
        if piece in _SPACES or piece.isspace():
            continue
        pieces.append(_SAME_SIGN.get(piece, piece))
    return pieces


def _end_of_digits(text: str, at: int) -> int:
    """The end of a number: digits, thousands (``,`` or LaTeX's ``,\\!`` and ``{,}``), one point."""
    seen_point = False
    while at < len(text):
        char = text[at]
        if char in _DIGIT_SIGNS:
            at += 1
        elif char == "." and not seen_point and text[at + 1 : at + 2] in _DIGIT_SIGNS:
            seen_point = True
            at += 1
        elif not seen_point and (length := _thousands_mark(text, at)):
            at += length
        else:
            break
    return at


def _thousands_mark(text: str, at: int) -> int:
    """How long a thousands mark is that stands here: exactly three digits follow it; 0 where none does."""
    for mark in (",\\!", "{,}", ","):
        if text.startswith(mark, at):
            following = text[at + len(mark) : at + len(mark) + 4]
            if len(following) >= 3 and following[:3].isdecimal() and not following[3:].isdecimal():
                return len(mark)
            return 0
    return 0


class _Expression:
    """Precedence climbing: sums of products of powers of atoms; neighbours are multiplied (``3x``, ``2\\sqrt{3}``)."""

    def __init__(self, pieces: list[str]) -> None:
        if not pieces or len(pieces) > MOST_TOKENS:
            raise Unreadable("empty or too long")
        self.pieces = pieces
        self.at = 0
        self.depth = 0

    def whole(self) -> Quotient:
        value = self.sum()
        if self.at != len(self.pieces):
            raise Unreadable(self.pieces[self.at])
        return value

    def peek(self) -> str:
        return self.pieces[self.at] if self.at < len(self.pieces) else ""

    def take(self) -> str:
        piece = self.peek()
        self.at += 1
        return piece

    def sum(self) -> Quotient:
        value = self.product()
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            value = add_quotients(value, self.product(), 1 if sign == "+" else -1)
        return value

    def product(self) -> Quotient:
        sign = 1
        while (piece := self.peek()) in ("+", "-"):
            sign = -sign if piece == "-" else sign
            self.at += 1
        value = self.power()
        while following := self.peek():
            if following in ("*", "/"):
                self.at += 1
                right = self.signed_power()
                value = multiply_quotients(value, right) if following == "*" else divide_quotients(value, right)
            elif following in ("+", "-", ")", "}", "]"):
                break
            elif following[-1].isdigit() and self.pieces[self.at - 1][-1].isdigit():
                value = self.mixed(value)
            elif following == "\\frac" and self.pieces[self.at - 1].isdecimal():
                value = self.mixed_latex(value)
            else:
                value = multiply_quotients(value, self.power())
        return multiply_quotients(of_number(-1), value) if sign < 0 else value

    def signed_power(self) -> Quotient:
        if self.peek() == "-":
            self.at += 1
            return multiply_quotients(of_number(-1), self.power())
        return self.power()

    def mixed(self, whole: Quotient) -> Quotient:
        """``1 1/2``, three whole numbers in a row; ``3 4`` is nothing."""
        part = self.pieces[self.at : self.at + 3]
        if (
            len(part) < 3
            or part[1] != "/"
            or not all(piece.isdecimal() for piece in (self.pieces[self.at - 1], part[0], part[2]))
        ):
            raise Unreadable("two numbers side by side")
        self.at += 3
        return add_quotients(whole, divide_quotients(of_number(number(part[0])), of_number(number(part[2]))), 1)

    def mixed_latex(self, whole: Quotient) -> Quotient:
        r"""``3\frac{1}{2}`` is three and a half; ``3\frac{x}{2}`` and ``3\frac{5}{2}`` are products."""
        part = self.power()
        value = part.constant()
        if value is not None and 0 < value < 1:
            return add_quotients(whole, part, 1)
        return multiply_quotients(whole, part)

    def power(self) -> Quotient:
        base = self.atom()
        while self.peek() == "^" or (self.peek() == "*" and self.pieces[self.at + 1 : self.at + 2] == ["*"]):
            self.at += 1 if self.peek() == "^" else 2
            exponent = self.argument(signed=True).constant()
            if exponent is None:
                raise Unreadable("an exponent that is no number")
            base = raise_quotient(base, exponent)
        return base

    def argument(self, *, signed: bool = False) -> Quotient:
        r"""What ``^``, ``\frac`` and ``\sqrt`` take: a group, or a single sign; ``\frac 34`` takes digits one by one."""
        piece = self.peek()
        if piece in ("{", "("):
            return self.atom()
        if signed:
            return self.signed_power() if piece == "-" else self.atom()
        if piece.isdecimal() and len(piece) > 1:
            self.pieces[self.at : self.at + 1] = [piece[0], piece[1:]]
        return self.atom()

    def atom(self) -> Quotient:
        self.depth += 1
        if self.depth > DEEPEST_GROUP:
            raise Unreadable("too deep")
        try:
            return self.atom_within()
        finally:
            self.depth -= 1

    def atom_within(self) -> Quotient:
        piece = self.take()
        if piece in _CLOSING:
            value = self.sum()
            if self.take() != _CLOSING[piece]:
                raise Unreadable(piece)
            return value
        if piece and piece[-1] in _DIGIT_SIGNS:
            if len(piece) > LONGEST_NUMBER:
                raise TooLarge(piece[:40])
            return of_number(whole_number(Fraction(piece)) if "." in piece else int(piece))
        if piece in _LETTERS:
            return Quotient({(1, ((piece, 1),)): 1}, {ONE: 1})
        if piece in _ROOTS:  # √16 takes the whole number, where \\sqrt16 takes its first digit
            return raise_quotient(self.atom(), Fraction(1, _ROOTS[piece]))
        if piece == "\\frac":
            top = self.argument()
            return divide_quotients(top, self.argument())
        if piece == "\\sqrt":
            return self.root()
        raise Unreadable(piece or "nothing")

    def root(self) -> Quotient:
        degree = self.atom().constant() if self.peek() == "[" else 2
        if degree not in (2, 3, 4, 5, 6):
            raise Unreadable("a root of this degree")
        return raise_quotient(self.argument(), Fraction(1, int(degree)))
