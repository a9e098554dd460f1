r"""Read the text of one answer as a value.

Read exactly: numbers in every writing, percent, units, expressions, lists, sets, points, intervals, matrices, words, "no solution". What is
mathematics beyond that is a FORMULA; what is neither is UNREAD. Where in a completion its answer stands is ``stated.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import re2

from lab.rules.amounts import (
    FUNCTIONS,
    SAY_MORE,
    amount_and_unit,
    number_in_words,
    read_amount,
    without_commands,
    words_of,
)
from lab.rules.expressions import quotient
from lab.rules.notation import CLOCK, joined_amounts, normal
from lab.rules.numbers import Unreadable
from lab.rules.polynomials import NotDefined, TooLarge, of_number, whole_number
from lab.rules.statements import NO_SOLUTION
from lab.rules.typography import plain
from lab.rules.values import Kind, Value

LONGEST_VALUE = 400
"""Characters of one answer; longer text is UNREAD."""

LONGEST_PLAIN = 40
"""Characters of a number that is read without the long way."""

MOST_ITEMS = 32
"""Items of a list."""

_ENDS = " .。;,?:="
_WRAPS = (('"', '"'), ("'", "'"), ("_", "_"))
_OPENING, _CLOSING_OF = "([{⦃", {"(": ")]", "[": ")]", "{": "}", "⦃": "⦄"}
_MATRICES = ("pmatrix", "bmatrix", "matrix", "array")
_OPERATORS_OF_FORMULA = frozenset("\\^_|√≤≥<>!")
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_COMMANDS = frozenset(
    command
    for line in (
        "frac dfrac tfrac cfrac sqrt binom dbinom sum prod int lim max min gcd mod pmod to pi infty",
        "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp",
        "theta alpha beta gamma delta lambda mu omega phi sigma rho",
        "cdot times div le leq ge geq neq ne lt gt lfloor rfloor lceil rceil mid vert cup cap setminus",
    )
    for command in line.split()
)
"""The commands that math-verify reads."""
_ARGUMENT = re2.compile(r"(?:_(?:\{[a-z0-9, ]+\}|[a-z0-9]+))?(?:\([a-z0-9, ]+\))?$")
"""What stands after a name: ``_1``, ``_{10}``, ``(x)``."""
_NAMES = re.compile(
    r"(?<![a-z\\])(arc(?:sin|cos|tan)|(?:sin|cos|tan)h?|cot|csc|log|ln|theta|alpha|beta|gamma|lambda|omega|sigma|phi)(?![a-z])"
)
"""Names of functions and letters as they are written without LaTeX."""
_CALL = re.compile(r"[a-z]\(")
"""``abs(x)``: a function that is not known here."""
_EVEN_CHANCES = re.compile(r"50 ?[-/:] ?50(?![0-9.]| ?[-+*/=^])")
"""``50-50``: one half, as people say it, or a difference."""
_HYPHENATED = re.compile("[0-9]+ ?- ?[0-9]+ ?/ ?[0-9]+")
"""``1-1/2``: a difference, or one and a half."""
_DEGREES = re2.compile(r'([0-9.]+) *"degrees"')


def read_value(text: str) -> Value:
    """The value that a text is; never raises."""
    text = text.strip()
    if text.isdecimal() and text.isascii() and len(text) < 300:  # by far the most frequent
        return Value(Kind.NUMBER, text, of_number(int(text)))
    if (quick := _quick(text)) is not None:
        return quick
    if len(text) > LONGEST_VALUE:
        if text[:1].isdecimal() and text.replace(".", "").replace(",", "").isdecimal():
            return Value(Kind.HUGE, text)
        return Value(Kind.UNREAD, text)
    return _value_of(_trimmed(normal(joined_amounts(plain(text)))))


def _quick(text: str) -> Value | None:
    """A plain number, also as a letter's value (``x = 5``), with percent or with one word as its unit; None for every other text."""
    name, equals, rest = text.partition("=")
    if equals and (len(name.strip()) != 1 or not name.strip().isalpha()):
        return None
    amount, _, unit = (rest if equals else text).strip().rstrip(" .").partition(" ")
    if amount.endswith("%") and not unit:
        amount, unit = amount[:-1], "%"
    elif unit and not (unit.isascii() and unit.isalpha() and len(unit) > 2 and unit.lower() not in SAY_MORE):
        return None
    value = _plain_number(amount)
    if value is None or not unit:
        return value
    return value._replace(unit=unit.lower(), text=f"{amount} {unit.lower()}")


def _plain_number(text: str) -> Value | None:
    """``-5``, ``1,234`` and ``2.50`` without the long way; None for every other text."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text)
    whole, point, decimals = digits.partition(".")
    groups = whole.split(",")
    if not text.isascii() or len(text) > LONGEST_PLAIN or not all(group.isdecimal() for group in groups):
        return None
    if len(groups) > 1 and (len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:])):
        return None
    if point and not decimals.isdecimal():
        return None
    number = sign * (Fraction(f"{whole.replace(',', '')}.{decimals}") if point else int("".join(groups)))
    return Value(Kind.NUMBER, text, of_number(whole_number(number) if isinstance(number, Fraction) else number))


def is_integer(text: str) -> bool:
    """Whether the text of an answer is written as an integer: ``5``, ``x = -5``, ``1,234`` or ``18元``, and not 15/3 or 5.0."""
    written = _without_name(_trimmed(normal(plain(text))))
    digits = written.removesuffix("%")
    if not digits.lstrip("+- ").replace(",", "").isdecimal():
        digits = amount_and_unit(digits)[0]
    return digits.strip().lstrip("+- ").replace(",", "").isdecimal()


def _trimmed(text: str) -> str:
    """Without the punctuation and the quotes around it."""
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(_ENDS).lstrip(":= ").strip()
        if text.endswith("!") and not (text[-2:-1].isdecimal() or text[-2:-1] in ")}"):  # 5! is a factorial
            text = text[:-1]
        for opening, closing in _WRAPS:
            if len(text) > 2 and text[0] == opening and text[-1] == closing and opening not in text[1:-1]:
                text = text[1:-1]
    return text


def _value_of(text: str, depth: int = 0) -> Value:
    if not text or depth > 4:
        return Value(Kind.UNREAD, text)
    if any(phrase in text for phrase in NO_SOLUTION):
        return Value(Kind.NO_SOLUTION, "no solution")
    if text[0].isalpha() and (number := number_in_words(text)) is not None:
        return number
    if "≈" in text:
        return _nearly(text, depth)
    text = _without_name(text)
    if text[:1] == "{" and "," in text and _closes(text) == len(text) - 1:
        text = f"⦃{text[1:-1]}⦄"
    matrix = _matrix(text, depth)
    if matrix is not None:
        return matrix
    parts = _parts(text)
    if parts is None:
        return _single(text, depth)
    brackets, items, choice = parts
    values = tuple(_value_of(_trimmed(item), depth + 1) for item in items)
    if any(value.kind is Kind.UNREAD for value in values):
        return Value(Kind.UNREAD, text)
    names = [_name_of(item) for item in items]
    if not brackets and all(names) and len(set(names)) == len(names):
        values = tuple(value for _, value in sorted(zip(names, values, strict=True), key=lambda pair: pair[0]))
        brackets = "=" + ",".join(sorted(names))
    return Value(Kind.LIST, text, items=values, brackets=brackets, choice=choice)


def _nearly(text: str, depth: int) -> Value:
    """``10/3 ≈ 3.33`` is either; ``x ≈ 3.33`` is a letter's value."""
    exact, _, rounded = (part.strip() for part in text.partition("≈"))
    if not exact or _is_name(exact):
        return _value_of(_trimmed(rounded), depth + 1)
    values = (_value_of(exact, depth + 1), _value_of(_trimmed(rounded), depth + 1))
    kind = Kind.UNREAD if any(value.kind is Kind.UNREAD for value in values) else Kind.LIST
    return Value(kind, text, items=values, brackets="≈")


def _without_name(text: str) -> str:
    """``x = 5``, ``f(x) = 2x``, ``5 = x``, ``x ∈ [1, 2]`` and ``15/3 = 5`` without what only names the value."""
    if "∈" in text and len(name := text.partition("∈")[0].strip()) <= 3 and name.isalpha():
        text = text.partition("∈")[2].strip()
    if "=" not in text or "≤" in text:
        return text
    first, _, rest = text.partition("=")
    last = rest.rpartition("=")[2].strip()
    first = first.strip()
    if _is_name(first) and "=" not in rest:
        return last
    if _separated(text):
        return text
    if _is_name(last) and len(last) == 1 and not _is_name(first) and "=" not in rest:
        return first
    if _is_name(first) or (_constant(first) and "=" not in rest):
        return last
    return text


def _separated(text: str) -> bool:
    return any(sign in text for sign in ("⦃", ";", ", ", " or ", " and ", "或", "和")) or (
        "," in text and (text.count(",") > 1 or text.count("=") > 1)
    )


def _is_name(text: str) -> bool:
    """A letter, a word, ``f(x)``, ``x_1``, ``a_{10}`` or ``(x, y)``: nothing that is computed."""
    if text[:1] == "(" and text[-1:] == ")" and "," in text:
        return all(_is_name(part.strip()) for part in text[1:-1].split(","))
    bare = _ARGUMENT.sub("", text.strip()) if "_" in text or "(" in text else text
    letters = bare.replace('"', "").replace(" ", "")
    return len(letters) <= 30 and (letters.isalpha() or (letters[:-1].isalpha() and letters[-1].isdecimal()))


def _name_of(item: str) -> str:
    """``x`` of ``x = 5``, or nothing."""
    name, equals, _ = item.partition("=")
    return name.strip() if equals and _is_name(name) else ""


def _constant(text: str) -> bool:
    """Whether a text is a number or computes one: ``15/3``, ``sin(30°)``."""
    try:
        return quotient(text).constant() is not None
    except Unreadable:
        named = _with_commands(text).replace('"degrees"', "").replace("π", "")
        return any(sign.isdecimal() for sign in named) and not any(sign.isalpha() for sign in without_commands(named))


# Lists


def _parts(text: str) -> tuple[str, list[str], bool] | None:
    """The brackets and the items of a list, and whether they are alternatives; None where the text is none."""
    if "∪" in text:
        return "∪", text.split("∪"), False
    if "±" in text and text.count("±") == 1 and "," not in text:
        return "", [text.replace("±", "+"), text.replace("±", "-")], False
    if ":" in text and all(_constant(item) for item in text.split(":")):
        return ":", text.split(":"), False
    if text[0] in "([⦃" and _closes(text) == len(text) - 1 and text[-1] in _CLOSING_OF[text[0]]:
        items = list(_split(text[1:-1], inside=True))
        if len(items) > 1 or text[0] == "⦃":
            return text[0] + text[-1], [item for item, _ in items], False
        return None
    items = list(_split(text, inside=False))
    if len(items) < 2 or len(items) > MOST_ITEMS:
        return None
    return "", [item for item, _ in items], any(alternative for _, alternative in items)


def _closes(text: str) -> int:
    """Where the bracket at the start is closed, −1 where it is not; ``(`` may be closed by ``]``."""
    depth = 0
    for place, sign in enumerate(text):
        if sign in _OPENING:
            depth += 1
        elif sign in ")]}⦄":
            depth -= 1
            if depth == 0:
                return place
    return -1


def _split(text: str, *, inside: bool) -> Iterator[tuple[str, bool]]:
    """Cut at commas, semicolons, "and" and "or" outside brackets: each item, and whether an "or" stands before it.

    A comma that three digits follow is a thousands mark, but not ``inside`` brackets."""
    depth, start, at, alternative = 0, 0, 0, False
    while at < len(text):
        sign = text[at]
        depth += (sign in _OPENING) - (sign in ")]}⦄")
        length = _separator(text, at, inside) if depth == 0 else 0
        if length:
            if text[start:at].strip():
                yield text[start:at].strip(), alternative
                alternative = False
            alternative = alternative or text[at : at + length].strip() in ("or", "或")
            start = at = at + length
        else:
            at += 1
    if text[start:].strip():
        yield text[start:].strip(), alternative


def _separator(text: str, at: int, inside: bool) -> int:
    """How long a separator is that stands here; 0 where none does."""
    sign = text[at]
    if sign in ";和或及":
        return 1
    if sign == " ":
        return next((len(word) for word in (" and ", " or ") if text.startswith(word, at)), 0)
    if sign != ",":
        return 0
    following = text[at + 1 : at + 5]
    thousands = at > 0 and text[at - 1].isdecimal() and following[:3].isdecimal() and len(following) >= 3
    return 0 if thousands and not inside and not following[3:].isdecimal() else 1


def _matrix(text: str, depth: int) -> Value | None:
    r"""``\begin{pmatrix} 1 \\ 2 \end{pmatrix}``: its rows, each a list."""
    if not text.startswith("\\begin{"):
        return _rows_in_brackets(text, depth)
    name, _, body = text.removeprefix("\\begin{").partition("}")
    if name not in _MATRICES or not body.endswith(f"\\end{{{name}}}"):
        return None
    return _of_rows(
        text, [row.split("&") for row in body.removesuffix(f"\\end{{{name}}}").split("⏎") if row.strip()], depth
    )


def _rows_in_brackets(text: str, depth: int) -> Value | None:
    """``[[1, 2], [3, 4]]``, as programs write a matrix; None for every other text."""
    if text[:2] != "[[" or text[-2:] != "]]":
        return None
    rows = [row.strip() for row, _ in _split(text[1:-1], inside=True)]
    if not all(row[:1] == "[" and _closes(row) == len(row) - 1 for row in rows):
        return None
    return _of_rows(text, [[cell for cell, _ in _split(row[1:-1], inside=True)] for row in rows], depth)


def _of_rows(text: str, rows: list[list[str]], depth: int) -> Value:
    cells = tuple(
        Value(Kind.LIST, "&".join(row), items=tuple(_value_of(cell.strip(), depth + 1) for cell in row), brackets="row")
        for row in rows
    )
    return Value(Kind.LIST, text, items=cells, brackets="matrix")


# Single values


def _with_commands(text: str) -> str:
    r"""``ln 2`` and ``2 theta`` as ``\ln 2`` and ``2 \theta``, where a text has no other words."""
    names = [word for word in words_of(text) if word not in ("π", "degrees")]
    return _NAMES.sub(r"\\\1", text) if names and all(_NAMES.fullmatch(name) for name in names) else text


def well_formed(formula: str) -> bool:
    """Whether every bracket has its partner and every command is known, so that no part of a formula is passed over."""
    commands = (piece[: len(piece) - len(piece.lstrip(_LOWER))] for piece in formula.split("\\")[1:])
    pairs = (("{", "}"), ("(", ")"), ("⦃", "⦄"))
    return all(formula.count(left) == formula.count(right) for left, right in pairs) and all(
        command in _COMMANDS for command in commands
    )


def _single(text: str, depth: int) -> Value:
    """A number with its unit, a formula, words, or none of them."""
    if text.startswith(("date_", CLOCK)):
        return Value(Kind.WORDS, text)
    if _EVEN_CHANCES.match(text) or _HYPHENATED.fullmatch(text):
        return Value(Kind.UNREAD, text)
    text = _with_commands(text)
    try:
        return read_amount(text)
    except NotDefined:
        return Value(Kind.UNDEFINED, text)
    except TooLarge:
        return Value(Kind.HUGE, text)
    except Unreadable:
        pass
    if '"degrees"' in text:  # in radians, as functions take them
        text = str(_DEGREES.sub(r"(\1 \\cdot \\pi / 180)", text))
    named = [word for word in words_of(text) if word not in FUNCTIONS and word != "π"]
    if not named and well_formed(text) and any(sign in _OPERATORS_OF_FORMULA or sign == "=" for sign in text):
        return Value(Kind.FORMULA, text.replace("π", "\\pi "))
    if named and _CALL.search(text):
        return Value(Kind.UNREAD, text)
    if named and not any(sign.isdecimal() or sign in "\\^=" for sign in text):
        return Value(Kind.WORDS, " ".join(text.replace('"', " ").split()))
    return Value(Kind.UNREAD, text)
