"""Exact arithmetic with quotients of sums of ``rational · √n · letters``: the normal form of what a text states as its answer.

Two quotients are equal exactly where their cross products are, so nothing is rounded; ``i² = −1``. Sizes are bounded (LARGEST_BITS,
MOST_TERMS, HIGHEST_POWER), so that no text makes a rule slow. Not here: reading text (``expressions.py``).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from lab.rules.numbers import Number, Unreadable

LARGEST_BITS = 2048
"""Bits of a number's numerator and denominator."""

MOST_TERMS = 48
"""Terms of one sum."""

HIGHEST_POWER = 32
"""Of a letter, and the exponent of a sum."""

LARGEST_RADICAND = 10**8
"""Under a square root that is no whole number; its prime factors up to the cube root are found by division."""

Monomial = tuple[int, tuple[tuple[str, int], ...]]
"""``(n, letters)`` stands for ``√n · letters``: n has no square factor, letters are sorted and have whole exponents."""

Sum = dict[Monomial, Number]
"""Each monomial with its factor, none of them 0."""

ONE: Monomial = (1, ())


class Quotient(NamedTuple):
    """``top / bottom``, two sums; the bottom is not empty."""

    top: Sum
    bottom: Sum

    def constant(self) -> Number | None:
        """The number that it is, or None where it has letters or roots."""
        if not self.top:
            return 0
        if len(self.top) == len(self.bottom) == 1 and ONE in self.top and ONE in self.bottom:
            return whole_number(Fraction(self.top[ONE], self.bottom[ONE]))
        return None


class NotDefined(Unreadable):
    """A division by zero."""


class TooLarge(Unreadable):
    """A number beyond LARGEST_BITS."""


def of_number(value: Number) -> Quotient:
    """A number as a quotient."""
    return Quotient({ONE: value} if value else {}, {ONE: 1})


def equal_quotients(first: Quotient, second: Quotient) -> bool:
    """Whether two quotients are equal for all values of their letters. Raises Unreadable where the products grow too large."""
    return first == second or _times(first.top, second.bottom) == _times(second.top, first.bottom)


def whole_number(value: Fraction) -> Number:
    """A fraction as an int where it is one."""
    return value.numerator if value.denominator == 1 else value


def _bounded(value: Number) -> Number:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > LARGEST_BITS:
        raise TooLarge("a number too large")
    return whole_number(value) if isinstance(value, Fraction) else value


def _plus(left: Sum, right: Sum, sign: int) -> Sum:
    total = dict(left)
    for monomial, factor in right.items():
        _add_term(total, monomial, sign * factor)
    return total


def _add_term(total: Sum, monomial: Monomial, factor: Number) -> None:
    value = total.get(monomial, 0) + factor
    if value:
        total[monomial] = _bounded(value)
    else:
        total.pop(monomial, None)
    if len(total) > MOST_TERMS:
        raise Unreadable("too many terms")


def _times(left: Sum, right: Sum) -> Sum:
    total: Sum = {}
    for (first_root, first_letters), first in left.items():
        for (second_root, second_letters), second in right.items():
            outside, root = _simple_root(first_root * second_root)
            letters, sign = _letters(first_letters + second_letters)
            _add_term(total, (root, letters), _bounded(first * second * outside * sign))
    return total


def _letters(factors: tuple[tuple[str, int], ...]) -> tuple[tuple[tuple[str, int], ...], int]:
    """Letters with their exponents added, and the sign that ``i² = −1`` leaves."""
    exponents: dict[str, int] = {}
    for letter, exponent in factors:
        exponents[letter] = exponents.get(letter, 0) + exponent
    sign = 1
    if exponents.get("i", 0) > 1:
        sign = -1 if exponents["i"] % 4 in (2, 3) else 1
        exponents["i"] %= 2
    if any(exponent > HIGHEST_POWER for exponent in exponents.values()):
        raise Unreadable("a power too high")
    return tuple(sorted((letter, exponent) for letter, exponent in exponents.items() if exponent)), sign


@lru_cache(maxsize=1024)
def _simple_root(radicand: int) -> tuple[int, int]:
    """``(outside, inside)`` with √radicand = outside · √inside, inside without a square factor."""
    if radicand == 1:
        return 1, 1
    if radicand > LARGEST_RADICAND:
        raise Unreadable("a root too large")
    outside, inside, rest, prime = 1, 1, radicand, 2
    while prime**3 <= LARGEST_RADICAND and prime <= rest:
        while rest % (prime * prime) == 0:
            rest //= prime * prime
            outside *= prime
        if rest % prime == 0:
            rest //= prime
            inside *= prime
        prime += 1
    root = _whole_root(rest, 2)  # what is left has two prime factors at most
    return (outside * root, inside) if root is not None else (outside, inside * rest)


def add_quotients(left: Quotient, right: Quotient, sign: int) -> Quotient:
    """``left + sign · right``."""
    if left.bottom == right.bottom:
        return _reduced(_plus(left.top, right.top, sign), left.bottom)
    top = _plus(_times(left.top, right.bottom), _times(right.top, left.bottom), sign)
    return _reduced(top, _times(left.bottom, right.bottom))


def multiply_quotients(left: Quotient, right: Quotient) -> Quotient:
    """``left · right``."""
    return _reduced(_times(left.top, right.top), _times(left.bottom, right.bottom))


def divide_quotients(left: Quotient, right: Quotient) -> Quotient:
    """``left / right``. Raises NotDefined where ``right`` is 0."""
    if not right.top:
        raise NotDefined("a division by zero")
    return _reduced(_times(left.top, right.bottom), _times(left.bottom, right.top))


def _reduced(top: Sum, bottom: Sum) -> Quotient:
    """A bottom that is a number goes into the top; anything else stays."""
    if len(bottom) == 1 and ONE in bottom and bottom[ONE] != 1:
        divisor = bottom[ONE]
        return Quotient({each: _bounded(Fraction(factor) / divisor) for each, factor in top.items()}, {ONE: 1})
    return Quotient(top, bottom)


def raise_quotient(base: Quotient, exponent: Number) -> Quotient:
    """A power or, for a fractional exponent, a root. Raises Unreadable where it is not exact, TooLarge where it is too large."""
    if isinstance(exponent, Fraction):
        return _rooted(raise_quotient(base, exponent.numerator), exponent.denominator)
    if exponent < 0:
        return raise_quotient(divide_quotients(of_number(1), base), -exponent)
    value = base.constant()
    if value is not None:
        if (
            value.numerator.bit_length() * exponent > LARGEST_BITS
            or value.denominator.bit_length() * exponent > 2 * LARGEST_BITS
        ):
            if value in (0, 1):
                return of_number(value)
            raise TooLarge("a power too large")
        return of_number(_bounded(value**exponent))
    if exponent > HIGHEST_POWER:
        raise Unreadable("a power too high")
    result = of_number(1)
    for _ in range(exponent):
        result = multiply_quotients(result, base)
    return result


def _rooted(base: Quotient, degree: int) -> Quotient:
    """The root of a number that is not negative: exact, or a square root with its square factors taken out."""
    value = base.constant()
    if value is None or value < 0 or degree > 6:
        raise Unreadable("a root of no number")
    if value == 0:
        return of_number(0)
    tops, bottoms = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    if tops is not None and bottoms is not None:
        return of_number(whole_number(Fraction(tops, bottoms)))
    if degree != 2:
        raise Unreadable("a root that is no number")
    outside, inside = _simple_root(value.numerator * value.denominator)
    return Quotient({(inside, ()): whole_number(Fraction(outside, value.denominator))}, {ONE: 1})


def _whole_root(value: int, degree: int) -> int | None:
    """The whole number whose power this is, or None."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None
