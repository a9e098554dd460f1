"""Text in one typography, before anything is read as mathematics: the same sign is written in one way, whoever typed it.

Full width, bold and circled letters, all dashes, superscripts, ready-made fractions, "minus 7" and 负7 as ``-7``, ``1.6e-19`` as a power
of ten. Not here: LaTeX (``notation.py``).
"""

from __future__ import annotations

import re
import unicodedata

from lab.rules.form import encodable

_FRACTIONS = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
_MEANT = {
    **dict.fromkeys("−–‐‑‒➖", "-"),
    **dict.fromkeys("×·⋅∙✕✖", "*"),
    **dict.fromkeys("÷⁄", "/"),
    **dict.fromkeys("’‘", "'"),
    "‰": "\\permil ",
    **dict.fromkeys("，、", ";"),  # never inside a number
    **dict.fromkeys("∴⇒✓✔✅∎□■", " "),
    **{sign: " " + unicodedata.normalize("NFKC", sign).replace("\u2044", "/") for sign in _FRACTIONS},
    **dict(zip("壹貳贰叁參肆伍陸陆柒捌玖拾佰仟萬億負點兩", "一二二三三四五六六七八九十百千万亿负点两", strict=True)),
    **dict.fromkeys("\u0305\u0307", "\\overline "),  # over a decimal that repeats
}
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+", re.ASCII)
_BASE = re.compile("([0-9])([₀-₉]+)", re.ASCII)
_MINUS = re.compile(r"(?:\b(?:minus|negative)\s+|(?:负|零下)\s*)([0-9.$√\\(])", re.ASCII)
_POWER_OF_TEN = re.compile(r"([0-9])e([+-]?[0-9]+)\b", re.ASCII)
_MEGA = re.compile(r"(?<=[0-9 ])M(?=(?:W|Wh|J|N|Pa|V|eV|Hz|A|B|b|bps|Ω)\b)")
"""A prefix that lower case would make a thousand million times smaller: MW and mW."""
_MIXED = re.compile("([0-9]) ?又 ?([0-9])", re.ASCII)
_REPEATING = re.compile(r"(\.[0-9]+)\.\.\.", re.ASCII)


class _PlainSigns(dict[int, str]):
    """What each character becomes; looked up once. Circled numbers stay: they mark equations and steps."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        circled = unicodedata.name(sign, "").startswith(("CIRCLED DIGIT", "CIRCLED NUMBER", "PARENTHESIZED"))
        self[code] = sign if circled else unicodedata.normalize("NFKC", sign)
        return self[code]


_PLAIN_SIGNS = _PlainSigns({ord(sign): meant for sign, meant in _MEANT.items()})


def _as_power(raised: re.Match[str]) -> str:
    digits = unicodedata.normalize("NFKC", raised.group(0)).replace("\u2212", "-")
    return f"^{digits}" if len(digits) == 1 else f"^({digits})"


def one_typography(text: str) -> str:
    """The text with each sign in its plain form; letters keep their case, and a lone surrogate becomes a question mark."""
    if text.isascii():
        return text
    text = _RAISED.sub(_as_power, unicodedata.normalize("NFC", encodable(text)))
    text = _BASE.sub(r"\1_\2", text)
    return text.translate(_PLAIN_SIGNS).replace("正负", "±")


def plain(text: str) -> str:
    """Lower case in one typography, with a minus for the word, a power of ten for ``1.6e-19`` and ``megaw`` for MW."""
    text = one_typography(text)
    text = (_MEGA.sub("mega", text) if "M" in text else text).lower()
    if "minus" in text or "negative" in text or "负" in text or "零下" in text:
        text = _MINUS.sub(r"-\1", text)
    if "e" in text:
        text = _POWER_OF_TEN.sub(r"\1*10^(\2)", text)
    if "又" in text:
        text = _MIXED.sub(r"\1 \2", text)
    return _REPEATING.sub(r"\1\\overline ", text) if "." in text else text
