"""What an answer is as a value, and whether two values are equal. Reading one from text is ``reading.py``'s.

Numbers are compared exactly, with percent and units; lists by their items, in any order where no brackets order them. A FORMULA is
mathematics that only ``same_formula`` (math-verify) can compare. Where equality is not known, CannotTell is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from lab.rules.notation import CLOCK, UnknownUnit, measured_by, other_ratios, unit_ratio
from lab.rules.numbers import Unreadable, expression, tokens
from lab.rules.numerals import SHORT_SCALES, says_a_number
from lab.rules.polynomials import ONE, Quotient, equal_quotients, multiply_quotients, of_number

SameFormula = Callable[[str, str], bool]
"""Whether two formulas are equal as mathematics. Raises ValueError where one cannot be read, TimeoutError where it takes too long."""


class Kind(StrEnum):
    """What an answer can be."""

    NUMBER = "number"
    LIST = "list"
    WORDS = "words"
    FORMULA = "formula"
    NO_SOLUTION = "no solution"
    UNDEFINED = "undefined"
    HUGE = "huge"
    UNREAD = "unread"


class Value(NamedTuple):
    """One answer: ``text`` is its normal writing, the rest what its kind has."""

    kind: Kind
    text: str
    number: Quotient | None = None
    unit: str = ""
    items: tuple[Value, ...] = ()
    brackets: str = ""
    """Around a list: ``()``, ``[)``, ``⦃⦄``, ``matrix``, ``∪`` between its parts, or nothing."""
    choice: bool = False
    """Whether the items are alternatives (``5 or 6``)."""


class CannotTell(ValueError):
    """Whether two answers are equal cannot be told."""


def same_value(first: Value, second: Value, same_formula: SameFormula) -> bool:
    """Whether two answers are equal. Raises CannotTell (or what ``same_formula`` raises) where that is not known."""
    if first.kind is second.kind and first.text == second.text and first.unit == second.unit:
        return True
    kinds = {first.kind, second.kind}
    if Kind.UNREAD in kinds:
        unread = first if first.kind is Kind.UNREAD else second
        raise CannotTell(f"cannot be read as an answer: {unread.text[:60]}")
    if kinds == {Kind.NUMBER}:
        return _same_number(first, second)
    if Kind.LIST in kinds:
        return _same_list(first, second, same_formula)
    if kinds == {Kind.HUGE}:
        raise CannotTell("two numbers too large to be compared")
    if Kind.FORMULA in kinds and kinds <= {Kind.FORMULA, Kind.NUMBER}:
        if first.unit or second.unit:
            raise CannotTell("a formula beside a number with a unit")
        formula, number = (first, second) if first.kind is Kind.FORMULA else (second, first)
        if "=" in formula.text and number.number is not None and number.number.constant() is not None:
            if formula.text.rpartition("=")[2].strip() == number.text and not _is_linear(formula.text):
                raise CannotTell(f"an equation beside a number: {formula.text[:60]}")
            return False
        same = same_formula(first.text, second.text)
        if not same and "=" in first.text + second.text:
            raise CannotTell("two equations that may say the same")
        if not same and "\\sqrt{-" in formula.text:
            raise CannotTell("a root of a negative number")
        return same
    if kinds == {Kind.WORDS, Kind.NUMBER}:
        spoken = first if first.kind is Kind.WORDS else second
        if says_a_number(spoken.text):
            raise CannotTell(f"words that may say a number: {spoken.text[:60]}")
    words = {_bare_words(first.text), _bare_words(second.text)}
    if words in _ALIKE:
        raise CannotTell(f"words that may mean the same: {first.text[:60]}")
    return first.kind is second.kind and len(words) == 1


def _is_linear(equation: str) -> bool:
    """``9x = 1``: an equation that gives its letter a value, which is not the number on its right."""
    try:
        sides = [expression(tokens(side)) for side in equation.split("=")]
    except Unreadable:
        return False
    return len({side.letter for side in sides if side.letter}) == 1


_INEQUALITIES = ("<", ">", "≤", "≥", "\\le", "\\ge", "\\lt", "\\gt")


def _bare_words(text: str) -> str:
    words = (text if text.startswith("-") else text.replace("-", " ")).split()
    bare = " ".join(words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words)
    return _SAME_ANSWER.get(bare, bare)


_SAME_ANSWER = {
    word: words.split()[0]
    for words in ("yes true correct 是 对 正确", "no false incorrect 否 错 错误 不对")
    for word in words.split()
} | {"dne": "does not exist", "not defined": "undefined"}
_SAME_ANSWER |= {
    word: words.split()[0]
    for words in (
        *("monday mon", "tuesday tue tues", "wednesday wed", "thursday thu thur thurs", "friday fri", "saturday sat"),
        *("sunday sun", "january jan", "february feb", "march mar", "april apr", "june jun", "july jul", "august aug"),
        *("september sep sept", "october oct", "november nov", "december dec"),
    )
    for word in words.split()
}
"""Words that answer a question alike."""
_ALIKE = ({"undefined", "does not exist"}, {"yes", "right"}, {"no", "wrong"}, {"none", "nothing"})


def _same_number(first: Value, second: Value) -> bool:
    assert first.number is not None and second.number is not None
    left, right = first.number, second.number
    if "base" in first.unit + second.unit:
        if first.unit and second.unit and first.unit != second.unit:
            return False
        return left == right
    if any(measured_by(one.unit) == "angle" and _radians(other) for one, other in ((first, second), (second, first))):
        return equal_quotients(_in_radians(first), _in_radians(second))
    if "%" in (first.unit, second.unit) and first.unit != second.unit:
        percent, other = (left, right) if first.unit == "%" else (right, left)
        if first.unit and second.unit:
            return False
        return equal_quotients(percent, other) or equal_quotients(percent, multiply_quotients(other, of_number(100)))
    if equal_quotients(left, right) and first.unit == second.unit:
        return True
    plain_numbers = left.top.keys() | right.top.keys() <= {ONE}
    for one, beside in () if plain_numbers else ((first, second), (second, first)):
        letter = _lone_letter(one)
        if letter and letter[1] == beside.number:
            if letter[0] == beside.unit:
                return True
            raise CannotTell("a letter that may be a unit")
        if letter and beside.unit and _in_unit(letter[1], letter[0], beside.unit) == beside.number:
            return True
        if letter and multiply_quotients(letter[1], of_number(SHORT_SCALES.get(letter[0], 1))) == beside.number:
            raise CannotTell("a letter that may mean thousands")
    if first.unit == second.unit == "":
        return False
    try:
        ratio = unit_ratio(first.unit, second.unit)
    except UnknownUnit as error:
        if not equal_quotients(left, right) and "/" not in first.unit + second.unit:
            return False
        raise CannotTell(str(error)) from None
    if ratio is None or equal_quotients(multiply_quotients(left, of_number(ratio)), right):
        return ratio is not None
    if "" in (first.unit, second.unit) and any(
        equal_quotients(multiply_quotients(left, of_number(other)), right)
        for other in other_ratios(first.unit, second.unit)
    ):
        raise CannotTell(f"a number without its unit beside one in {first.unit or second.unit}")
    return False


_WITH_POINTS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
_DEGREE = Quotient({(1, (("\\pi", 1),)): 1}, {ONE: 180})
"""π/180."""


def _radians(value: Value) -> bool:
    """Whether a number is an angle in radians: by its unit, or as a multiple of π without one."""
    assert value.number is not None
    return measured_by(value.unit) == "angle in radians" or (
        not value.unit and value.number.top.keys() == _DEGREE.top.keys()
    )


def _in_radians(value: Value) -> Quotient:
    assert value.number is not None
    return multiply_quotients(value.number, _DEGREE) if measured_by(value.unit) == "angle" else value.number


def _in_unit(factor: Quotient, letter: str, unit: str) -> Quotient | None:
    """``5000 j`` in kilojoules; None where the letter is no unit of that kind."""
    try:
        ratio = unit_ratio(letter, unit)
    except UnknownUnit:
        return None
    return None if ratio is None else multiply_quotients(factor, of_number(ratio))


def _lone_letter(value: Value) -> tuple[str, Quotient] | None:
    """``5 n`` as its letter, which may be a unit, and its factor; None for everything else."""
    assert value.number is not None
    (root, factors), factor = next(iter(value.number.top.items()), ((1, ()), 0))
    if value.unit or len(value.number.top) != 1 or len(factors) != 1 or factors[0][1] != 1 or len(factors[0][0]) != 1:
        return None
    return factors[0][0], Quotient({(root, ()): factor}, value.number.bottom)


def _same_list(first: Value, second: Value, same_formula: SameFormula) -> bool:
    if first.kind is not second.kind:
        several, single = (first, second) if first.kind is Kind.LIST else (second, first)
        if single.kind is Kind.FORMULA and any(sign in single.text for sign in _INEQUALITIES):
            raise CannotTell("an inequality beside a list")
        if _are_letters(several, single.text):
            raise CannotTell(f"letters that may be options or a product: {several.text[:60]}")
        if several.brackets == ":" and single.number is not None and _is_share(several, single.number):
            raise CannotTell(f"a ratio beside a number: {several.text[:60]}")
        if single.text.startswith(CLOCK) and several.brackets == ":":
            return _same_time(several, single.text)
        same = [same_value(item, single, same_formula) for item in several.items]
        if all(same) or several.brackets == "≈":
            return any(same)
        if any(same) or (single.number is not None and single.number.constant() in _as_one_number(several)):
            raise CannotTell(f"several answers where one is known: {several.text[:60]}")
        return False
    if len(first.items) != len(second.items):
        return False
    brackets = {first.brackets, second.brackets}
    named = [each for each in brackets if each[:1] == "="]
    if len(named) == 2:
        raise CannotTell(f"values of other letters: {named[0][1:]} and {named[1][1:]}")
    if named and brackets <= {*named, "()"}:  # (x, y)
        brackets = {"()"}
    if len(brackets) > 1 and ("" not in brackets or ":" in brackets):
        return False
    if brackets == {":"}:
        return _same_ratio(first.items, second.items)
    if brackets <= {"", "∪"} or brackets == {"⦃⦄"} or brackets == {"", "⦃⦄"}:
        return _same_set(list(first.items), list(second.items), same_formula)
    return all(same_value(*pair, same_formula) for pair in zip(first.items, second.items, strict=True))


def _are_letters(several: Value, text: str) -> bool:
    """Whether a list is the letters of a text, each once: ``A, C`` and ``AC`` may be the same options."""
    letters = [item.text for item in several.items]
    return text.isalpha() and len(set(text)) == len(text) and sorted(letters) == sorted(text)


def _same_time(several: Value, clock: str) -> bool:
    """``15:30`` is half past three in the afternoon, ``3:30`` may be."""
    written = [item.number.constant() for item in several.items if item.number is not None]
    hour, minute = (int(part) for part in clock.removeprefix(CLOCK).split("_"))
    if hour > 12 and written == [hour - 12, minute]:
        raise CannotTell("a time of day without am or pm")
    return written == [hour, minute]


def _is_share(ratio: Value, number: Quotient) -> bool:
    """Whether a number may say what a ratio of two says: ``3:4`` as 3/4, 4/3, 3/7 or 4/7."""
    terms = [item.number.constant() for item in ratio.items if item.number is not None]
    if len(terms) != 2 or None in terms:
        return False
    left, right = (Fraction(term) for term in terms if term is not None)
    shares = [(left, right), (right, left), (left, left + right), (right, left + right)]
    return number.constant() in {top / bottom for top, bottom in shares if bottom}


def _as_one_number(several: Value) -> set[Fraction]:
    """The numbers that a list may be: ``1 and 1/2`` one and a half, ``3,14`` with a decimal comma, ``12,34,567`` and ``1.000,50`` with thousands."""
    constants = [item.number.constant() if item.number is not None else None for item in several.items]
    if len(constants) == 2 and not several.brackets and not several.choice and None not in constants:
        whole, part = (Fraction(each) for each in constants if each is not None)
        if whole.denominator == 1 and 0 < part < 1 and "," not in several.text:
            return {whole + part}
    digits = several.text.replace(";", ",")
    thousands, comma, decimals = digits.partition(",")
    if not several.brackets and comma and _WITH_POINTS.fullmatch(thousands) and decimals.isdecimal():  # 1.000,50
        return {Fraction(f"{thousands.replace('.', '')}.{decimals}")}
    groups = digits.split(",")
    if several.brackets or not all(group.isdecimal() for group in groups):
        return set()
    numbers = {Fraction(".".join(groups))} if len(groups) == 2 else set()
    if len(groups[-1]) == 3 and all(2 <= len(group) <= 3 for group in groups[1:]):
        numbers.add(Fraction("".join(groups)))
    return numbers


def _same_ratio(first: tuple[Value, ...], second: tuple[Value, ...]) -> bool:
    """``3:4`` and ``6:8``: each product of the one's first term with the other's terms is the same."""
    left = [item.number for item in first if item.number is not None]
    right = [item.number for item in second if item.number is not None]
    pairs = zip(left, right, strict=True)
    return all(
        equal_quotients(multiply_quotients(left[0], other), multiply_quotients(right[0], mine)) for mine, other in pairs
    )


def _same_set(first: list[Value], second: list[Value], same_formula: SameFormula) -> bool:
    for item in first:
        partner = next((other for other in second if same_value(item, other, same_formula)), None)
        if partner is None:
            return False
        second.remove(partner)
    return True
