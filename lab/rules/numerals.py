"""Numbers in words: Chinese numerals (三分之二, 3.5万) and English ones (twenty-five, three quarters)."""

from __future__ import annotations

import re
from fractions import Fraction
from math import prod

from lab.rules.numbers import Number

_CHINESE_DIGITS = dict(zip("零〇一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)) | {
    str(digit): digit for digit in range(10)
}
_CHINESE_TENS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_MYRIADS = {"万": 10**4, "亿": 10**8}
CHINESE_NUMERALS = (
    frozenset("负点分之百半又") | frozenset(_CHINESE_DIGITS) | frozenset(_CHINESE_TENS) | frozenset(_CHINESE_MYRIADS)
)

_UNDER_TWENTY = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_PART_NAMES = "third fourth fifth sixth seventh eighth ninth tenth"
_ENGLISH = {word: value for value, word in enumerate(_UNDER_TWENTY.split())}
_ENGLISH |= {word: 10 * (place + 2) for place, word in enumerate(_TENS.split())}
THOUSANDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SHORT_SCALES = {"k": 10**3, "m": 10**6, "b": 10**9}
"""Letters after an amount of money: ``$2.5m``."""
_PARTS = {word: place + 3 for place, word in enumerate(_PART_NAMES.split())}
_PARTS |= {"half": 2, "halve": 2, "quarter": 4}
_AFTER_A = _PARTS.keys() | THOUSANDS.keys() | {"hundred", "dozen"}


def chinese_number(text: str) -> Number | None:
    """The value of a number in Chinese numerals (``一百二十``, ``三分之二``, ``百分之五``, ``三点一四``), None where it is none."""
    head = text.rstrip("十百千万亿 ")
    if head != text and head.replace(".", "", 1).isdecimal():  # 3.5万
        scales = ((_CHINESE_TENS | _CHINESE_MYRIADS)[sign] for sign in text[len(head) :].strip())
        return Fraction(head) * prod(scales)
    if text.startswith("负"):
        value = chinese_number(text[1:])
        return None if value is None else -value
    if text.startswith("百分之"):
        value = chinese_number(text[3:])
        return None if value is None else Fraction(value) / 100
    if "又" in text:
        before, _, after = text.partition("又")
        whole, part = chinese_number(before), chinese_number(after)
        return None if whole is None or part is None or not 0 < part < 1 else whole + part
    if "分之" in text:
        bottom, _, top = text.partition("分之")
        above, below = chinese_number(top), chinese_number(bottom)
        return Fraction(above) / below if above is not None and below else None
    if "点" in text:
        before, _, after = text.partition("点")
        whole = chinese_number(before)
        if whole is None or not after or any(sign not in _CHINESE_DIGITS for sign in after):
            return None
        return whole + Fraction(int("".join(str(_CHINESE_DIGITS[sign]) for sign in after)), 10 ** len(after))
    return _chinese_whole(text)


def _chinese_whole(text: str) -> int | None:
    if not text or len(text) > 30:
        return None
    if len(text) > 1 and all(sign in _CHINESE_DIGITS for sign in text):  # 二〇二四: digit by digit
        return int("".join(str(_CHINESE_DIGITS[sign]) for sign in text))
    total, section, digit, size = 0, 0, 0, 1
    for sign in text:
        if sign in _CHINESE_DIGITS:
            if digit:
                return None
            digit = _CHINESE_DIGITS[sign]
            size = size if digit else 1
        elif sign in _CHINESE_TENS:
            size = _CHINESE_TENS[sign]
            section += (digit or 1) * size
            digit = 0
        elif sign in _CHINESE_MYRIADS:
            size = _CHINESE_MYRIADS[sign]
            total = total + (section + digit) * size if sign == "万" else (total + section + digit) * size
            section = digit = 0
        else:
            return None
    return total + section + digit * max(1, size // 10)  # 一百五 is 150, 一百零五 is 105


def english_number(words: list[str]) -> Number | None:
    """The value of a number in English words (``minus two hundred and five``, ``six sevenths``, ``one and a half``, ``two dozen``,
    ``three out of four``), None where they are none. Linear in the words."""
    if words[:1] in (["minus"], ["negative"]):
        value = english_number(words[1:])
        return None if value is None else -value
    before, out_of, after = " ".join(words).partition(" out of ")
    if not out_of:
        return _english_amount(words)
    top, bottom = _english_amount(before.split()), _english_amount(after.split())
    return Fraction(top) / bottom if top is not None and bottom else None


def _english_amount(words: list[str]) -> Number | None:
    """A whole number, a part, both joined by "and", or dozens."""
    words = _counted(words)
    if words[-1:] == ["dozen"]:
        dozens = _english_whole(words[:-1])
        return None if dozens is None else 12 * dozens
    if not words or words[-1].removesuffix("s") not in _PARTS:
        return _english_whole(words)
    if "and" in words:
        last = len(words) - 1 - words[::-1].index("and")
        whole, rest = _english_whole(_counted(words[:last])), _english_part(_counted(words[last + 1 :]))
        if whole is not None and rest is not None and 0 < rest < 1:
            return whole + rest
    return _english_part(words)


def _counted(words: list[str]) -> list[str]:
    """``a third`` as ``one third``."""
    return ["one", *words[1:]] if words[:1] in (["a"], ["an"]) and words[1:2] and words[1] in _AFTER_A else words


def _english_part(words: list[str]) -> Fraction | None:
    """``six sevenths``, ``one third``, ``half``."""
    if not words:
        return None
    count = 1 if words == ["half"] else _english_whole(words[:-1])
    if count is None or (count == 1) == words[-1].endswith("s"):
        return None
    return Fraction(count, _PARTS[words[-1].removesuffix("s")])


def _english_whole(words: list[str]) -> int | None:
    words = [word for word in words if word != "and"]
    total, section = 0, 0
    if not words or words[0] not in _ENGLISH:
        return None
    for word in words:
        value, last = _ENGLISH.get(word), section % 100
        if value is not None and (last == 0 or (last >= 20 and last % 10 == 0 and 0 < value < 10)):
            section += value
        elif word == "hundred" and 0 < section < 10:
            section *= 100
        elif word in THOUSANDS and section:
            total, section = total + section * THOUSANDS[word], 0
        else:
            return None
    return total + section


def says_a_number(text: str) -> bool:
    """Whether words may say a number in a way that is not read here: ``the third``, ``twice as many``, ``none``, ``vii``, ``room 5``."""
    words = re.findall("[a-z]+", text)
    return (
        any(sign.isdecimal() or sign in CHINESE_NUMERALS for sign in text)
        or any(word in _NUMERIC or word.removesuffix("s") in _PARTS for word in words)
        or (len(words) == 1 and _ROMAN.fullmatch(words[0]) is not None)
    )


_NUMERIC = frozenset([
    *_ENGLISH, *THOUSANDS, "hundred", "dozen", "first", "second", "once", "twice", "thrice", "double", "triple", "half",
    "pair", "couple", "score", "both", "none", "nothing", "nil", "null",
])  # fmt: skip
_ROMAN = re.compile("m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})(?<=.)", re.ASCII)


def has_numerals(text: str) -> bool:
    """Whether a text names a number in words; "one" and 一 say too often something else."""
    return any(sign in "二两三四五六七八九十" for sign in text) or not _SURE.isdisjoint(re.findall("[a-z]+", text))


_SURE = _ENGLISH.keys() - {"one"}
