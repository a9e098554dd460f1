r"""Bring the many ways of writing an answer into one: LaTeX's wrappers and spacing, units.

``normal`` works on text that ``typography.plain`` has brought into lower case. What stands in ``\text{…}`` is put between double quotes, so
that ``5 \text{ m}`` is five metres where ``5m`` is a product. Nothing here decides what a text means: see ``values.py``.
"""

from __future__ import annotations

import re
from fractions import Fraction

_TEXT_COMMANDS = (
    "text", "mbox", "textbf", "textit", "textrm", "mathrm", "mathbf", "operatorname", "hbox", "boxed", "fbox", "mathit",
)  # fmt: skip
_BARE_COMMANDS = frozenset(["\\boxed", "\\fbox", "\\mathbf", "\\mathit"])
"""Commands whose content is mathematics, so that it stands without quotes."""

_REPLACED = (
    *((",\\!", ","), ("{,}", ","), ("\\!", ""), ("\\,", " "), ("\\;", " "), ("\\:", " "), ("\\ ", " "), ("~", " ")),
    *(("\\left", ""), ("\\right", ""), ("\\bigl", ""), ("\\bigr", ""), ("\\big", ""), ("\\displaystyle", "")),
    *(("\\{", "⦃"), ("\\}", "⦄"), ("\\lbrace", "⦃"), ("\\rbrace", "⦄"), ("\\%", "%"), ("\\$", "＄")),
    *(("^{\\circ}", "°"), ("^\\circ", "°"), ("^ \\circ", "°"), ("\\circ", "°"), ("\\degree", "°")),
    *(("°", ' "degrees" '), ("\\cup", "∪"), ("\\pm", "±"), ("\\infty", "∞"), ("infinity", "∞"), ("\\pi", "π")),
    *(("\\in ", "∈"), ("\\in[", "∈["), ("\\approx", "≈"), ("\\emptyset", "no solution")),
    *(("\\varnothing", "no solution"), ("∅", "no solution")),
    *(("\\colon", ":"), ("\\quad", " "), ("\\(", ""), ("\\)", ""), ("\\[", ""), ("\\]", "")),
)
"""Signs of one meaning, in the order in which they are replaced."""
_WRITTEN = tuple(
    (re.compile(pattern, re.ASCII), meant)
    for pattern, meant in (
        (r"([0-9)]|\b[a-z])\*\*([0-9a-z(-])", r"\1^\2"),
        (r"([0-9]) ?x ?([0-9])", r"\1*\2"),
        (r"\b([cdkm]?m)([23])\b", r"\1^\2"),
        (r"(^|[(\[,+-])\s*(?:inf|oo)\b", r"\1∞"),
        (r"(?<![a-z\\])(?:sqrt|(cbrt)) ?(?=[({0-9]|[a-z]\b)", lambda match: "∛" if match.group(1) else "√"),
        (r"(?<![a-z\\])exp\(", "e^("),
        (r"(?<![a-z\\])log(2|10)(?= ?\()", r"log_{\1}"),
    )
)
"""What is written in plain text with other signs than in mathematics: ``2**10``, ``3 x 10^8``, ``cm2``, ``(-inf, 5)``, ``sqrt 2``."""
_GROUPS_OF_THREE = re.compile(r"(?:^|[^0-9.,/_\'])([0-9]{1,3}(?:[ '_][0-9]{3})+)(?:[^0-9/]|$)", re.ASCII)
_ARROWS = ("\\rightarrow", "\\leftarrow", "\\implies", "\\to ")

_UNITS: dict[str, tuple[str, int | Fraction, str]] = {
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
    "watt": ("power", 1, "w watt watts 瓦"),
    "milliwatt": ("power", Fraction(1, 1000), "mw milliwatt milliwatts 毫瓦"),
    "kilowatt": ("power", 1000, "kw kilowatt kilowatts 千瓦"),
    "megawatt": ("power", 10**6, "megaw megawatt megawatts 兆瓦"),
    "joule": ("energy", 1, "j joule joules 焦耳"),
    "millijoule": ("energy", Fraction(1, 1000), "mj millijoule millijoules"),
    "kilojoule": ("energy", 1000, "kj kilojoule kilojoules 千焦"),
    "megajoule": ("energy", 10**6, "megaj megajoule megajoules"),
    "hertz": ("frequency", 1, "hz hertz 赫兹"),
    "kilohertz": ("frequency", 1000, "khz kilohertz"),
    "megahertz": ("frequency", 10**6, "megahz megahertz"),
    "dollar": ("dollars", 1, "$ dollar dollars usd 美元"),
    "cent": ("dollars", Fraction(1, 100), "¢ cent cents"),
    "yuan": ("yuan", 1, "¥ 元 yuan rmb 块 块钱"),
    "jiao": ("yuan", Fraction(1, 10), "角"),
    "degree": ("angle", 1, "degree degrees deg 度"),
    "radian": ("angle in radians", 1, "rad radian radians 弧度"),
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
    for pattern, mathematics in _WRITTEN:
        text = pattern.sub(mathematics, text)
    text = " ".join(_dollars(text.replace("**", "").replace("`", "")).split())
    return _GROUPS_OF_THREE.sub(_joined, text)


def _joined(match: re.Match[str]) -> str:
    """``1 234 567``, ``1'234'567`` and ``1_234_567`` as 1234567."""
    digits = match.group(1)
    return str(match.group(0)).replace(digits, "".join(sign for sign in digits if sign.isdecimal()))


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


def is_unit(word: str) -> bool:
    """Whether a word is the name of a unit that is known here."""
    return word in _UNIT_OF


def measured_by(unit: str) -> str:
    """What a unit measures (``length``, ``angle``, ``angle in radians``); nothing for one that is not known here."""
    return _UNIT_OF[unit][0] if unit in _UNIT_OF else ""


class UnknownUnit(ValueError):
    """Two units of which it is not known whether they are the same."""


_OF_UNITS = str.maketrans({'"': " ", "²": "^2", "³": "^3", "{": "", "}": "", ".": " "})


def unit_name(text: str) -> str:
    """A unit as it is compared: without quotes, blanks and dots, ``square inches`` and ``inches²`` as ``inches^2``."""
    words = text.translate(_OF_UNITS).split()
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


def other_ratios(first: str, second: str) -> set[Fraction]:
    """How many of another unit one of the unit that is given may be, in either direction: 5 km may be 5000."""
    base, _, power = (first or second).partition("^")
    if base not in _UNIT_OF or not (power or "1").isdecimal():
        return set()
    kind, size = _UNIT_OF[base]
    ratios = {(size / other) ** int(power or 1) for name, (of, other) in _UNIT_OF.items() if of == kind}
    return ratios if first else {1 / ratio for ratio in ratios}


_AMOUNT = "([0-9]{{1,12}}(?:\\.[0-9]{{1,12}})?) ?({})".format(
    "|".join(
        f"{name}\\b" if name.isascii() else name for name in sorted(_UNIT_OF, key=len, reverse=True) if name.isalpha()
    )
)
_DATES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"\b((?:1[5-9]|20)[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\b",
        r"\b((?:1[5-9]|20)[0-9]{2})/(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])\b",
        r"\b(0?[1-9]|[12][0-9]|3[01])/(0?[1-9]|[12][0-9]|3[01])/((?:1[5-9]|20)[0-9]{2})\b",
        r"([0-9]{4}) ?年 ?([0-9]{1,2}) ?月 ?([0-9]{1,2}) ?[日号]",
        r"([0-9]{1,2}) ?月 ?([0-9]{1,2}) ?[日号]",
    )
)
_ONE_AMOUNT = re.compile(_AMOUNT, re.ASCII)
_AMOUNTS = re.compile(f"{_AMOUNT}(?:(?:,? and|,|零|又)? ?{_AMOUNT})+", re.ASCII)
_MAY_BE_AMOUNTS = re.compile(r"[0-9] ?[^\W0-9_]+(?:,? and|,)? ?[0-9]")
"""What is in every text that ``_AMOUNTS`` changes: two numbers with a word between them."""


def joined_amounts(text: str) -> str:
    """``2 hours 30 minutes`` and ``2h30`` as ``150 minutes``: amounts of one kind in a row, each in a smaller unit, are one amount. Dates
    and times of day become one word, so that 2024-01-05 is no difference; ``3 out of 4`` becomes 3/4 and ``0x1f`` 31."""
    if "月" in text or text.count("-") > 1 or text.count("/") > 1:
        for pattern in _DATES:
            text = pattern.sub(lambda match: "_".join(["date", *(str(int(part)) for part in match.groups())]), text)
    if _MAY_BE_SPOKEN.search(text):
        for pattern, written in _SPOKEN:
            text = pattern.sub(written, text)
    return _AMOUNTS.sub(_in_last_unit, text) if _MAY_BE_AMOUNTS.search(text) else text


def _time_of_day(match: re.Match[str]) -> str:
    hour, minute, half = match.groups()
    if not 1 <= int(hour) <= 12:
        return str(match.group(0))
    return f"{CLOCK}{int(hour) % 12 + 12 * (half == 'p')}_{int(minute or 0)}"


_PART = {"half": "1/2", "third": "1/3", "quarter": "1/4"}
_ALONE_PI = r"(?:(?<=[0-9*/+(={,-])|(?<=[0-9*/+(={,-] ))pi(?![a-z])|(?<![a-z\\])pi(?= ?(?:[0-9*/+^)=}-]|[a-z]\b))|(?<![a-z\\])(?<![a-z] )pi(?=,)|^\s*pi\s*$"
"""``pi`` where it stands for the number: beside a digit, a sign of mathematics or a letter, or alone."""
CLOCK = "clock_"
"""Begins a time of day: ``3:30 pm`` is ``clock_15_30``."""
_SPOKEN = tuple(
    (re.compile(pattern, re.ASCII), written)
    for pattern, written in (
        (r"\bper cent\b", "percent"),
        (r"\b([0-9]{1,9}) out of (?:the |every )?([0-9]{1,9})\b", r"\1/\2"),
        (r"\b0x([0-9a-f]{2,12})\b", lambda match: str(int(match.group(1), 16))),
        (r"\b([0-9]{1,3}) ?h ?([0-5][0-9]) ?(?:m\b|min\b|(?![0-9a-z.,]))", r"\1 h \2 min"),
        (r"\b([01]?[0-9])(?::([0-5][0-9]))? ?([ap])\.?m\b\.?", _time_of_day),
        (r"\b(?:12(?::00)? ?)?(noon|midnight)\b", lambda match: f"{CLOCK}{12 * (match.group(1) == 'noon')}_0"),
        (r"\b([0-9]{1,9})(?:st|nd|rd|th)\b", r"\1"),
        (
            r"\b([0-9]{1,9}) and (?:a|one) (half|third|quarter)\b",
            lambda match: f"{match.group(1)} {_PART[match.group(2)]}",
        ),
        (_ALONE_PI, "π"),
    )
)
"""Ways of saying an amount: how each is written, and what it means."""
_MAY_BE_SPOKEN = re.compile(
    r"[0-9](?: ?h ?[0-5]| out of | ?[ap]\.?m|st|nd|rd|th| and (?:a|one) )|0x|per cent|noon|midnight|pi(?![a-z])",
    re.ASCII,
)
"""What is in every text that ``_SPOKEN`` changes."""


def _in_last_unit(match: re.Match[str]) -> str:
    amounts = [(Fraction(number), *_UNIT_OF[name], name) for number, name in _ONE_AMOUNT.findall(match.group(0))]
    kinds, sizes = {kind for _, kind, _, _ in amounts}, [size for _, _, size, _ in amounts]
    if len(kinds) > 1 or sizes != sorted(set(sizes), reverse=True):
        return str(match.group(0))
    total = sum(number * size for number, _, size, _ in amounts) / sizes[-1]
    return f"{total} {amounts[-1][-1]}"
