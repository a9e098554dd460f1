r"""Bring the many ways of writing an answer into one: LaTeX's wrappers and spacing, units, Chinese numerals.

``normal`` works on text that ``numbers.plain`` has brought into lower case. What stands in ``\text{…}`` is put between double quotes, so
that ``5 \text{ m}`` is five metres where ``5m`` is a product. Nothing here decides what a text means: see ``values.py``.
"""

from __future__ import annotations

from fractions import Fraction

from lab.rules.numbers import Number

_TEXT_COMMANDS = (
    "text",
    "mbox",
    "textbf",
    "textit",
    "textrm",
    "mathrm",
    "mathbf",
    "operatorname",
    "hbox",
    "boxed",
    "fbox",
    "mathit",
)
_BARE_COMMANDS = frozenset(["\\boxed", "\\fbox", "\\mathbf", "\\mathit"])
"""Commands whose content is mathematics, so that it stands without quotes."""

_REPLACED = (
    *((",\\!", ","), ("{,}", ","), ("\\!", ""), ("\\,", " "), ("\\;", " "), ("\\:", " "), ("\\ ", " "), ("~", " ")),
    *(("\\left", ""), ("\\right", ""), ("\\bigl", ""), ("\\bigr", ""), ("\\big", ""), ("\\displaystyle", "")),
    *(("\\{", "⦃"), ("\\}", "⦄"), ("\\lbrace", "⦃"), ("\\rbrace", "⦄"), ("\\%", "%"), ("\\$", "＄")),
    *(
        ("^{\\circ}", "°"),
        ("^\\circ", "°"),
        ("^ \\circ", "°"),
        ("\\circ", "°"),
        ("\\degree", "°"),
        ("°", ' "degrees" '),
    ),
    *(
        ("\\cup", "∪"),
        ("\\pm", "±"),
        ("\\infty", "∞"),
        ("infinity", "∞"),
        ("\\pi", "π"),
        ("\\in ", "∈"),
        ("\\in[", "∈["),
    ),
    *(
        ("\\approx", "="),
        ("≈", "="),
        ("\\emptyset", "no solution"),
        ("\\varnothing", "no solution"),
        ("∅", "no solution"),
    ),
    *(("sqrt(", "√("), ("\\colon", ":"), ("\\quad", " "), ("\\(", ""), ("\\)", ""), ("\\[", ""), ("\\]", "")),
)
"""Signs of one meaning, in the order in which they are replaced."""
_ARROWS = ("\\rightarrow", "\\leftarrow", "\\implies", "\\to ")

_CHINESE_DIGITS = dict(zip("零〇一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_CHINESE_TENS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_MYRIADS = {"万": 10**4, "亿": 10**8}
CHINESE_NUMERALS = (
    frozenset("负点分之百半") | frozenset(_CHINESE_DIGITS) | frozenset(_CHINESE_TENS) | frozenset(_CHINESE_MYRIADS)
)

_UNITS = {
    "m": ("length", 1, "m meter meters metre metres 米"),
    "km": ("length", 1000, "km kilometer kilometers kilometre kilometres 千米 公里"),
    "cm": ("length", Fraction(1, 100), "cm centimeter centimeters centimetre centimetres 厘米"),
    "mm": ("length", Fraction(1, 1000), "mm millimeter millimeters millimetre millimetres 毫米"),
    "inch": ("length", Fraction(254, 10_000), "in inch inches 英寸"),
    "foot": ("length", Fraction(3048, 10_000), "ft foot feet 英尺"),
    "yard": ("length", Fraction(9144, 10_000), "yd yard yards"),
    "mile": ("length", Fraction(1_609_344, 1000), "mi mile miles 英里"),
    "s": ("time", 1, "s sec second seconds 秒"),
    "minute": ("time", 60, "min minute minutes 分钟"),
    "hour": ("time", 3600, "h hr hrs hour hours 小时"),
    "day": ("time", 86_400, "day days 天"),
    "week": ("time", 604_800, "week weeks 周 星期"),
    "g": ("mass", 1, "g gram grams 克"),
    "kg": ("mass", 1000, "kg kilogram kilograms 千克 公斤"),
    "liter": ("volume", 1, "l liter liters litre litres 升"),
    "milliliter": ("volume", Fraction(1, 1000), "ml milliliter milliliters 毫升"),
    "dollar": ("dollars", 1, "$ dollar dollars usd 美元"),
    "cent": ("dollars", Fraction(1, 100), "¢ cent cents"),
    "yuan": ("yuan", 1, "¥ 元 yuan rmb 块 块钱"),
    "degree": ("angle", 1, "degree degrees deg 度"),
}
"""By unit: what it measures, its size in the first unit of that, and the names that it goes by."""
_UNIT_OF = {name: (kind, Fraction(size)) for kind, size, names in _UNITS.values() for name in names.split()}


def normal(text: str) -> str:
    """The text with LaTeX's wrappers and spacing left out, and signs of one meaning written in one way."""
    if "\\" in text:
        text = text.replace("\\\\", " ⏎ ")  # the end of a matrix's row
        for arrow in _ARROWS:
            text = text.replace(arrow, " → ")
        text = _text_groups(text)
    for written, meant in _REPLACED:
        if written in text:
            text = text.replace(written, meant)
    text = text.replace("**", "").replace("`", "")
    return " ".join(_dollars(text).split())


def _dollars(text: str) -> str:
    """Without the dollars that set mathematics apart; one that stands before an amount becomes ``＄``."""
    if "$" not in text:
        return text
    if text.count("$") % 2 and (at := text.find("$")) >= 0 and text[at + 1 : at + 2].strip() in set("0123456789.-"):
        text = text.replace("$", "＄", 1)
    return text.replace("$", " ")


def _text_groups(text: str) -> str:
    r"""``\text{ inches}`` as ``"inches"``, ``\boxed{5}`` as ``5``; commands of another name stay."""
    for name in _TEXT_COMMANDS:
        command = f"\\{name}"
        at = text.find(command + "{")
        while at >= 0:
            end = closing_brace(text, at + len(command))
            content = text[at + len(command) + 1 : end].strip()
            if command not in _BARE_COMMANDS and content not in ("", "and", "or"):
                content = f'"{content}"'
            text = f"{text[:at]} {content} {text[end + 1 :]}"
            at = text.find(command + "{", at)
    return text


def closing_brace(text: str, at: int) -> int:
    """Where the brace that opens at ``at`` is closed; the end of the text where it is not."""
    depth = 0
    for place in range(at, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place
    return len(text)


# Units


class UnknownUnit(ValueError):
    """Two units of which it is not known whether they are the same."""


def unit_name(text: str) -> str:
    """A unit as it is compared: without quotes, blanks and dots, ``square inches`` and ``inches²`` as ``inches^2``."""
    words = (
        text.replace('"', " ")
        .replace("²", "^2")
        .replace("³", "^3")
        .replace("{", "")
        .replace("}", "")
        .replace(".", " ")
        .split()
    )
    name = " ".join(words).replace(" ^", "^").replace("^ ", "^").replace("平方", "square ").replace("立方", "cubic ")
    for word, power in (("square ", "^2"), ("sq ", "^2"), ("cubic ", "^3")):
        if name.startswith(word):
            return f"{name.removeprefix(word).strip()}{power}"
    return name


def unit_ratio(first: str, second: str) -> Fraction | None:
    """How many of the second unit one of the first is; None where they measure different things. A missing unit is any unit.

    Raises UnknownUnit where they differ and one of them is not known here.
    """
    if not first or not second or first == second:
        return Fraction(1)
    (first_base, _, first_power), (second_base, _, second_power) = first.partition("^"), second.partition("^")
    known, other = _UNIT_OF.get(first_base), _UNIT_OF.get(second_base)
    if known is None or other is None:
        if first.rstrip("s") == second.rstrip("s"):
            return Fraction(1)
        if first_power != second_power:
            return None
        raise UnknownUnit(f"the units differ: {first[:20]} and {second[:20]}")
    if known[0] != other[0] or first_power != second_power:
        return None
    return (known[1] / other[1]) ** int(first_power or 1) if (first_power or "1").isdecimal() else None


# Chinese numerals


def chinese_number(text: str) -> Number | None:
    """The value of a number in Chinese numerals (``一百二十``, ``三分之二``, ``百分之五``, ``三点一四``), None where it is none."""
    if text.startswith("负"):
        value = chinese_number(text[1:])
        return None if value is None else -value
    if text.startswith("百分之"):
        value = chinese_number(text[3:])
        return None if value is None else Fraction(value) / 100
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
    total, section, digit = 0, 0, 0
    for sign in text:
        if sign in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[sign]
        elif sign in _CHINESE_TENS:
            section += (digit or 1) * _CHINESE_TENS[sign]
            digit = 0
        elif sign in _CHINESE_MYRIADS:
            size = _CHINESE_MYRIADS[sign]
            total = total + (section + digit) * size if sign == "万" else (total + section + digit) * size
            section = digit = 0
        else:
            return None
    return total + section + digit
