r"""The last result of a text without marks: a text that is nothing but an answer, the last formula between dollars, a letter's
value (``x = 5``), the last number.

A letter that is only declared (``x = 1, then 7 apples are left: 7``) is passed over, and so is a check of the result (``3*5 + 5 = 20``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import re2

from lab.rules.amounts import FUNCTIONS, SAY_MORE, SHORT_WORDS, words_of
from lab.rules.notation import CLOCK, normal
from lab.rules.numbers import is_number, tokens
from lab.rules.reading import LONGEST_VALUE, read_value
from lab.rules.statements import NO_SOLUTION, without_marker
from lab.rules.typography import plain
from lab.rules.values import Kind

TAIL = 2000
"""Characters at the end of an unmarked text in which its last result is looked for."""

_CHECKS = ("check", "verif", "since", "because", "检验", "验证", "验算", "因为", "indeed", "substitut", "代入", "plug")
_MATH_SIGNS = frozenset("+-*/^=")
_CHINESE_SCALES = tuple("十百千万亿成折")
_DOUBT = re.compile(
    r"(?:[0-9] in|n ?' ?t|\b(?:not|never|cannot|than|at least|at most|mod|or|either|except|neither|nor|under|over|below|above|up to|until)"
    r"|[≠<>≤≥≡~或]|不是|不为|不等于|大于|小于|多于|少于|高于|低于|超过|不到|不足|不少于|不超过|至少|至多|最多|最少|并非|除了)"
    r"(?: be| equal| to| only|等于| *= *)* *(?:[0-9.]+ *)?$",
    re.ASCII,
)
"""What stands before a number that is not the result: ``not``, ``at least``, 大于."""
_REMARK = re2.compile(r"([0-9][^\s()\[\]]*) [(\[]([^()\[\]]*)[)\]][\s.。]*$")
"""A number with a remark behind it: ``8 (see step 2)``."""
_LETTER_HAS_VALUE = re2.compile("(?:^|[^a-z])[a-z](?:_?[0-9]+)? *=|= *-?[a-z](?:[^a-z]|$)")
_QUOTED = re2.compile('"[^"]*"')
_JOINS = _MATH_SIGNS | frozenset([*"().√∛∜π", "pi"])
_OF_AN_ARGUMENT = frozenset(["sin", "cos", "tan", "cot", "log", "ln", "exp", "sqrt", "arcsin", "arccos", "arctan"])
"""Functions, which are mathematics where an argument follows: ``ln 2``."""


class _Run(NamedTuple):
    """Mathematics in a row: its tokens, the text from the start of the line to it, and its number in the text."""

    tokens: tuple[str, ...]
    before: str
    after: str

    @property
    def text(self) -> str:
        return " ".join(self.tokens)


def last_result(prompt: str, text: str) -> str | None:
    """The text of the last result in a plain text; None where it states none."""
    text = text[-TAIL:].replace("\\$", "＄")
    denied = max(text.rfind(phrase) for phrase in NO_SOLUTION)
    if text.rstrip(" .。\n")[-1:] in (")", "]") and (remark := _REMARK.search(text)) is not None:
        if _DOUBT.search(remark.group(2)) or not words_of(remark.group(2)):
            return f"either {remark.group(0)}"
        text = text[: remark.end(1)]
    whole = text.strip()
    if "\\begin{cases}" in whole and len(whole) <= LONGEST_VALUE:
        return whole
    if denied < 0 and (ending := _plain_ending(text)) is not None:
        return ending
    if "=" in whole and whole[:2] in ("- ", "* ", "+ "):  # the mark of a list
        whole = whole[2:]
    if denied < 0 and len(whole) <= LONGEST_VALUE and "\n" not in whole and (whole.count("=") <= 1 or _separate(whole)):
        value = read_value(whole)
        if value.kind not in (Kind.UNREAD, Kind.WORDS) or whole.startswith(CLOCK):
            return whole
        if ("\\" in whole or "^" in whole) and not has_prose(whole):
            return whole  # a formula that cannot be read: no part of it is the answer
    if denied >= 0:
        return _letter_value(_runs(text[denied:])) or "no solution"
    segment = _last_segment(text) or _last_brackets(text)
    if segment is not None:
        return segment
    return _last_of_runs(prompt, _runs(_without_commands_of_latex(text)))


def _separate(whole: str) -> bool:
    """Whether a text is a list of letters with a value each, and nothing else: ``x = 5, y = 6``, ``x = 5 or x = 6``."""
    value = read_value(whole)
    return (
        value.kind is Kind.LIST
        and whole.count("=") == len(value.items)
        and all(item.kind is not Kind.FORMULA for item in value.items)
    )


def _plain_ending(text: str) -> str | None:
    """The last number of prose, with the word after it, where it stands alone and no letter has a value; None for every other text."""
    end = max(map(text.rfind, "0123456789")) + 1
    after = text[end:].strip(" .,;!\n")
    if (
        not end
        or "\\" in text
        or "^" in text
        or "π" in text
        or text[end : end + 1] in _CHINESE_SCALES
        or "a" <= text[end : end + 1] <= "z"
        or (not after.replace(" ", "").replace("'", "").isalpha() and after)
    ):
        return None
    start = end - 1
    while start > 0 and (
        text[start - 1].isdecimal() or (text[start - 1] in ",." and text[start - 2 : start - 1].isdecimal())
    ):
        start -= 1
    if text[start - 1 : start].isalpha():  # cm2
        return None
    before = text[:start].rstrip(" $")
    if (
        len(before) < 2
        or (before[-1] == ":" and before[-2].isdecimal())
        or not (before[-2:].isalpha() or before[-1] in ":=")
        or before.endswith(" and")
        or before.rpartition(" ")[2] in _OF_AN_ARGUMENT
        or _DOUBT.search(before[-24:])
    ):
        return None
    if "=" in text and (
        before[-1] != "=" or not before[:-1].rstrip()[-1:].isdecimal() or _LETTER_HAS_VALUE.search(text)
    ):
        return None
    unit = after.partition(" ")[0] if text[end : end + 1] == " " else ""
    return f"{text[start:end]} {unit}" if unit.isascii() and len(unit) > 2 and unit not in SAY_MORE else text[start:end]


def _last_segment(text: str) -> str | None:
    r"""What stands between the last dollars, where nothing with a digit follows and it is a value."""
    span = _last_formula(text)
    if span is None or any(sign.isdecimal() for sign in text[span[1] :]):
        return None
    content = text[span[0] : span[1]]
    if content[0].isspace() != content[-1].isspace() or content.strip()[-1] in "+-*/=,":
        return None
    value = read_value(content)
    if has_prose(content) or value.kind is Kind.WORDS or (value.kind in (Kind.FORMULA, Kind.UNREAD) and "=" in content):
        return None
    if len(content.strip()) == 1 and content.strip().isalpha():
        return None
    return content + _unit_after(text[span[1] :])


def has_prose(text: str) -> bool:
    """Whether a text has words outside LaTeX's text groups and commands."""
    bare = _QUOTED.sub(" ", normal(text)) if len(text) <= LONGEST_VALUE else text
    return any((len(word) > 2 and word not in FUNCTIONS) or word in SHORT_WORDS for word in words_of(bare))


def _last_formula(text: str) -> tuple[int, int] | None:
    r"""The span between the last ``$…$``, ``\(…\)`` or ``\[…\]``, where it is not empty."""
    spans: list[tuple[int, int]] = []
    for opening, closing in (("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        end = text.rfind(closing)
        start = text.rfind(opening, 0, end) if end > 0 else -1
        if start >= 0 and text[start + len(opening) : end].strip():
            spans.append((start + len(opening), end))
    return max(spans, key=lambda span: span[1], default=None)


def last_words(text: str) -> str:
    r"""The words that stand alone between the last dollars (``$\text{Paris}$``), or nothing."""
    span = _last_formula(plain(text[-TAIL:]))
    value = read_value(plain(text[-TAIL:])[span[0] : span[1]]) if span else None
    return value.text if value is not None and value.kind is Kind.WORDS else ""


def _last_brackets(text: str) -> str | None:
    """The point, interval or ratio that a text ends in, if any."""
    text = text.rstrip(" .。$\n")
    ratio = text.rpartition(" ")[2]
    if ":" in ratio and ratio.replace(":", "").isdecimal() and read_value(ratio).kind is Kind.LIST:
        return ratio
    if text[-1:] not in (")", "]", "}"):
        return None
    depth = 0
    for place in range(len(text) - 1, max(-1, len(text) - LONGEST_VALUE), -1):
        depth += (text[place] in ")]}") - (text[place] in "([{")
        if depth == 0:
            before = text[:place].rstrip("\\ ").removesuffix("\\left").rstrip()[-1:]
            if before and not (before.isalpha() or before in "=:：$∈"):
                return None
            start = place - 1 if text[place] == "{" and text[place - 1] == "\\" else place
            return text[start:] if read_value(text[start:]).kind is Kind.LIST else None
    return None


def _unit_after(text: str) -> str:
    """One word right after a formula, as its unit: ``$5$ cm``."""
    words = text.lstrip("$\\)]").split(maxsplit=1)
    unit = words[0].strip(".,。;") if words else ""
    return f" {unit}" if unit.isalpha() and len(unit) > 1 and read_value(f"1 {unit}").unit else ""


def _without_commands_of_latex(text: str) -> str:
    r"""LaTeX with its fractions, roots and signs written so that ``tokens`` reads them."""
    if "\\" not in text:
        return text
    text = normal(text.replace("\n", " ⏎ ")).replace(" ⏎ ", "\n").replace("⏎", "\n")
    signs = (("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"), ("\\sqrt", "√"))
    for written, meant in (*signs, ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac")):
        text = text.replace(written, meant)
    pieces = text.split("\\frac{")
    for piece in pieces[1:]:
        pieces[0] += f"(({piece}" if "}{" in piece else piece
    return pieces[0].replace("}{", ")/(").replace("{", "(").replace("}", ")")


def _runs(text: str) -> list[_Run]:
    """The runs of mathematics in a text, line by line."""
    lines = ((line, tokens(line)) for line in text.split("\n"))
    return [run for line, words in lines if words for run in _runs_of_line(without_marker(words, line))]


def _runs_of_line(words: Sequence[str]) -> Iterator[_Run]:
    start: int | None = None
    for place in range(len(words) + 1):
        token = words[place] if place < len(words) else ";"
        if _belongs(words, place):
            start = place if start is None else start
            continue
        if start is not None:
            run = _balanced(tuple(words[start:place])) if words[start] != "^" else ()  # cm^2 is no number
            if run:
                power = words[place + 1 : place + 3]
                unit = f"{token}^{power[1]}" if power[:1] == ["^"] and len(power) == 2 else token
                yield _Run(run, " ".join(words[:start]), unit)
        start = None


def _belongs(words: Sequence[str], place: int) -> bool:
    """Whether a token is mathematics: a number, a sign, or a letter that stands alone."""
    if place >= len(words):
        return False
    token = words[place]
    if is_number(token) or token in _JOINS or token == "%":
        return True
    if token in _OF_AN_ARGUMENT:
        following = words[place + 1] if place + 1 < len(words) else ""
        return following != "" and (following in "(√π" or is_number(following))
    if len(token) != 1 or not "a" <= token <= "z":
        return False
    following = words[place + 1] if place + 1 < len(words) else ""
    return token not in ("a", "i") or following in _MATH_SIGNS


def _balanced(run: tuple[str, ...]) -> tuple[str, ...]:
    """A run without the operators, marks of a list and lone brackets at its ends."""
    while run and (run[0] in "+*/^=.)%" or (run[0] == "-" and len(run) > 1 and run[1] in ("-", "*"))):
        run = run[1:]
    while run and run[-1] in "+-*/^=.(":
        run = run[:-1]
    if run.count("(") != run.count(")"):
        if run and run[0] == "(":
            return _balanced(run[1:])
        if run and run[-1] == ")":
            return _balanced(run[:-1])
        if "(" in run or ")" in run:
            cut = max(place for place, token in enumerate(run) if token in "()")
            return _balanced(run[cut + 1 :])
    if len(run) > 3 and run[0] == "(" and run[2] == ")" and run[1].isdecimal() and run[3] not in _MATH_SIGNS:
        return run[3:]
    return run


def _letter_value(runs: Sequence[_Run]) -> str | None:
    """The last ``x = …`` whose last side is a value."""
    return next((run.text for run in reversed(runs) if _letter_of(run)), None)


def _letter_of(run: _Run) -> str:
    """The letter that an equation gives a value, or nothing."""
    if "=" not in run.tokens:
        return ""
    sides = run.text.split(" = ")
    letters = [side for side in sides if len(side) == 1 and side.isalpha()]
    values = [side for side in sides if not _has_letter(side)]
    return letters[0] if letters and values else ""


def _last_of_runs(prompt: str, runs: list[_Run]) -> str | None:
    """The last result among runs: a letter's value unless something later is the result."""
    place = next((place for place in reversed(range(len(runs))) if _letter_of(runs[place])), None)
    results = [run for run in runs[0 if place is None else place + 1 :] if _is_result(run)]
    if place is None:
        if results and _DOUBT.search(results[-1].before[-24:]):
            return f"not {results[-1].text}"
        return _with_unit(results[-1]) if results else None
    letter = _letter_of(runs[place])
    stands = _solved(runs[place])
    if letter in _letters_of(prompt):
        return stands
    value = stands.rpartition(" = ")[2]
    for run in reversed(results):
        explains = any(word in run.before for word in _CHECKS) or letter in run.tokens or value in run.tokens[:-1]
        if not explains:
            return _with_unit(run)
    return stands


def _solved(run: _Run) -> str:
    """``5 = x`` and ``x = 15 / 3 = 5`` as ``x = 5``."""
    sides = run.text.split(" = ")
    values = [side for side in sides if not _has_letter(side)]
    return f"x = {values[-1]}"


def _is_result(run: _Run) -> bool:
    """Whether a run states a number: it has one, and its last side has no letter."""
    last = run.text.rpartition(" = ")[2]
    first = run.text.partition(" = ")[0]
    computed = last == "pi" or not _OF_AN_ARGUMENT.isdisjoint(run.tokens)
    if not computed and not any(sign.isdecimal() or sign == "π" for sign in last):
        return False
    return "=" not in run.tokens or not _has_letter(first + last)


def _has_letter(side: str) -> bool:
    """Whether a side of an equation has a letter, π aside."""
    return any(sign.isalpha() and sign != "π" for sign in side)


def _with_unit(run: _Run) -> str:
    """The last side of a run with the word after it where that is a unit."""
    last = run.text.rpartition(" = ")[2]
    return f"{last} {run.after}" if run.after[0].isalpha() and read_value(f"1 {run.after}").unit else last


def numbers_in(text: str) -> list[_Run]:
    """The runs of mathematics in a text that hold a number."""
    return [run for run in _runs(text) if any(is_number(token) for token in run.tokens)]


@lru_cache(maxsize=256)
def _letters_of(prompt: str) -> frozenset[str]:
    """The letters that a prompt's mathematics has."""
    return frozenset(
        token for token in tokens(plain(prompt)) if len(token) == 1 and "b" <= token <= "z" and token != "i"
    )
