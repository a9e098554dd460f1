"""Read a number or an expression with its percent sign or its unit: ``5%``, ``$1,234.50``, ``864 "inches"^2``, ``18元``, ``4343_6``."""

from __future__ import annotations

from fractions import Fraction

from lab.rules.expressions import quotient
from lab.rules.notation import is_unit, unit_name
from lab.rules.numbers import Unreadable
from lab.rules.numerals import CHINESE_NUMERALS, SHORT_SCALES, THOUSANDS, chinese_number, english_number
from lab.rules.polynomials import Quotient, multiply_quotients, of_number
from lab.rules.values import Kind, Value

_NO_UNITS = frozenset([
    "is", "are", "was", "were", "so", "then", "because", "since", "not", "but", "if", "that", "we", "it", "he", "she",
    "they", "than",
])  # fmt: skip
_SCALES: dict[str, int | Fraction] = {**THOUSANDS, "hundred": 100, "dozen": 12}
_SCALES |= {
    "grand": 10**3,
    "mln": 10**6,
    "mio": 10**6,
    "bn": 10**9,
    "lakh": 10**5,
    "crore": 10**7,
    "成": Fraction(1, 10),
    "折": Fraction(1, 10),
}
_CURRENCIES = "$€£¥₹₩₽₺₫฿"
SAY_MORE = _NO_UNITS | _SCALES.keys() | frozenset(["percent", "and", "plus", "times", "solution"])
"""Words after a number that are no unit of it."""
SHORT_WORDS = frozenset([
    "an", "as", "at", "be", "by", "he", "if", "in", "is", "it", "me", "my", "no", "of", "on", "or", "so", "to", "up",
    "us", "we",
])  # fmt: skip
_WORD_LETTERS = "abcdefghijklmnopqrstuvwxyz"
FUNCTIONS = (
    "sin", "cos", "tan", "log", "ln", "exp", "max", "min", "gcd", "lcm", "mod", "begin", "end", "matrix", "pmatrix",
    "bmatrix", "vmatrix", "array",
)  # fmt: skip
"""Names of functions, which are no words."""


def words_of(text: str) -> list[str]:
    """The words of a text: runs of two letters or more that are no command."""
    cut = "".join(sign if sign.isalpha() else " " for sign in without_commands(text))
    return [word for word in cut.split() if len(word) > 1 or word > "\x7f"]


def without_commands(text: str) -> str:
    """A text with a blank for each LaTeX command."""
    if "\\" not in text:
        return text
    first, *pieces = text.split("\\")
    return first + " ".join(piece.lstrip("abcdefghijklmnopqrstuvwxyz") for piece in pieces)


def read_amount(text: str) -> Value:
    """A number or an expression, with percent or a unit. Raises Unreadable."""
    percent = text.endswith(("%", " percent", '"percent"'))
    if percent:
        unit, amount = "%", text.removesuffix('"percent"').removesuffix("percent").rstrip("% ")
    else:
        amount, unit = amount_and_unit(text)
    words = (word for word in words_of(amount) if not CHINESE_NUMERALS.issuperset(word))
    if any(len(word) > 2 or word in SHORT_WORDS for word in words):
        raise Unreadable("words")
    numeral, _, base = amount.partition("_")
    if base and numeral.isdecimal():
        digits = base.strip("{} ")
        if not digits.isdecimal():
            raise Unreadable("a base that is no number")
        return Value(Kind.NUMBER, text, of_number(int(numeral)), f"base {digits}")
    if unit and unit in _CURRENCIES and (money := _short_scale(amount)) is not None:
        return Value(Kind.NUMBER, text, money, unit)
    value = chinese_number(amount)
    number = quotient(amount) if value is None else of_number(value)
    scale, _, rest = unit.partition(" ")
    if scale in _SCALES:
        number, unit = multiply_quotients(number, of_number(_SCALES[scale])), rest
    return Value(Kind.NUMBER, text, number, unit)


def _short_scale(amount: str) -> Quotient | None:
    """``2.5m`` of ``$2.5m``; None for every other amount."""
    digits, scale = amount[:-1].strip(), SHORT_SCALES.get(amount[-1:])
    if scale is None or not digits.replace(",", "").replace(".", "", 1).isdecimal():
        return None
    return multiply_quotients(quotient(digits), of_number(scale))


def number_in_words(text: str) -> Value | None:
    """A number in English words, with one word as its unit or none: ``twenty-five``, ``three apples``. None where it is none."""
    words = text.replace("-", " ").replace('"', " ").split()
    for unit in ("", words[-1]) if len(words) > 1 and len(words[-1]) > 2 and words[-1] not in SAY_MORE else ("",):
        value = english_number(words[:-1] if unit else words)
        if value is not None:
            return Value(Kind.NUMBER, text, of_number(value), unit)
    return None


def amount_and_unit(text: str) -> tuple[str, str]:
    """``$5`` as 5 and ``$``, ``864 "inches"^2`` as 864 and ``inches^2``, ``18元`` as 18 and 元."""
    for sign in f"＄{_CURRENCIES}":
        if text.startswith((sign, f"-{sign}", f"- {sign}")):
            text, prefix = text.replace(sign, "", 1), "$" if sign == "＄" else sign
            amount, suffix = amount_and_unit(text)
            return amount, prefix if suffix in ("", "dollars", "dollar") else suffix
    at = _unit_start(text)
    amount, unit = text[:at].strip(), unit_name(text[at:])
    if not unit or not amount:
        return text, ""
    name, _, power = unit.rpartition("^") if unit[-2:-1] == "^" else (unit, "", "1")
    if len(unit) > 40 or len(unit.split()) > 5 or not power.isdecimal() or not _NO_UNITS.isdisjoint(unit.split()):
        raise Unreadable("no unit")
    if any(sign.isdecimal() or sign in "\\=(-+*" for sign in name):
        raise Unreadable("no unit")
    return amount, unit


def _unit_start(text: str) -> int:
    """Where the unit starts: at the first word, quote or Chinese sign after a number; the end of the text where there is none."""
    seen = False
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            at += 1
            while at < len(text) and text[at].isascii() and text[at].isalpha():
                at += 1
            continue
        if seen and sign > "\x7f" and is_unit(text[at:]):
            return at
        if sign.isdecimal() or sign in "π)}" or sign in CHINESE_NUMERALS:
            seen = True
        elif seen and (sign == '"' or (sign > "\x7f" and sign.isalpha()) or _starts_a_word(text, at)):
            return at
        at += 1
    return len(text)


def _starts_a_word(text: str, at: int) -> bool:
    """A word of two letters or more, or one letter that is set apart by a blank and ends the text: ``5 m``, ``15 m^2``, ``5 m/s``.
    A short word right after a digit is a unit where it is known as one (``5km``), else a product (``5ab``)."""
    rest = text[at:].lstrip(_WORD_LETTERS)
    word = text[at : len(text) - len(rest)]
    apart = text[at - 1] in ' "'
    if len(word) > 1:
        return apart or len(word) > 3 or is_unit(word)
    return word != "" and word in "mghsl" and apart and (rest.strip() in ("", "^2", "^3") or rest[:1] == "/")
