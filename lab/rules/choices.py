"""Multiple choice: the options in a prompt, and which of them a completion chooses, by its letter or by the option's text."""

from __future__ import annotations

from functools import lru_cache

import re2

from lab.rules.form import encodable
from lab.rules.reading import read_value
from lab.rules.stated import Stated, stated
from lab.rules.statements import LONGEST_REMEMBERED
from lab.rules.values import CannotTell, Kind, Value, same_value

LETTERS = "ABCDEFGHIJ"
"""Of options; the first one is always A."""

_MARKER = re2.compile(r"(?:^|[\s,;，；])(?:\(([A-J])\)|（([A-J])）|([A-J])[.):：、．])[ \t]*")
_ONLY_LETTER = re2.compile(
    r"[\s$*\"'`]*(?:\\(?:text|textbf|mathrm|mathbf|boxed)\{)*[ (（]*([A-J])[ )）]*\}*[\s$*\"'`.。:：)]*"
)
_LEADING = re2.compile(
    r"(?i)[\s$*\"'`]*(?:option|choice|选项|选)?[\s*]*(?:\\(?:text|textbf|mathrm|mathbf)\{)*(?:[(（]\s*([A-J])\s*[)）]|([A-J])(?:[.):：、．,\s}*$]|$))"
)
_NAMED = re2.compile(
    r"(-\s*(?:\\text\{)?)?(?:[(（]([A-J])[)）]|\*\*([A-J])\*\*|(?i:option|choice|选项|故选|应选|选择|选)\s*([A-J])\b|\b([A-J]) is (?:correct|right|the answer))"
)


def multiple_choice(prompt: str, completion: str, answer: str | None) -> float:
    r"""1 where the completion chooses the option that the answer names, 0 where it chooses another or none.

    Both may be a letter (``B``, ``(B)``, ``\boxed{B}``) or the text of an option in the prompt. Raises ValueError where the answer is
    not known or names no option, and CannotTell where the completion names several or something that is no option.
    """
    if answer is None or not answer.strip():
        raise ValueError("the answer is not known")
    wanted = option_letter(answer) or option_of(prompt, read_value(answer))
    if not wanted:
        raise CannotTell(f"the answer is no option: {answer.strip()[:60]}")
    return float(chosen(prompt, completion, stated(prompt, completion)) == wanted)


def option_letter(text: str) -> str:
    r"""The letter that a text is and nothing else (``A``, ``(A)``, ``\text{(A)}``), or nothing."""
    if len(text) > 40 or text.isdecimal():
        return ""
    match = _ONLY_LETTER.fullmatch(encodable(text))
    return str(match.group(1)) if match else ""


def chosen(prompt: str, completion: str, statement: Stated) -> str:
    """The letter of the option that a completion chooses; nothing where it chooses none. Raises CannotTell."""
    if statement.marked and statement.value is not None:
        letter = _leading_letter(statement.text) or option_of(prompt, statement.value)
        if letter or not statement.text:
            return letter
        raise CannotTell(f"names no option: {statement.text[:60]}")
    letter = option_letter(completion) or _leading_letter(completion, bare=False)
    if letter:
        return letter
    named = {next(filter(None, letters)) for minus, *letters in _NAMED.findall(encodable(completion)) if not minus}
    if len(named) > 1:
        raise CannotTell(f"names several options: {', '.join(sorted(named))}")
    return named.pop() if named else option_of(prompt, read_value(completion))


def _leading_letter(text: str, *, bare: bool = True) -> str:
    """The letter that a text begins with; an article (``a dog``) is none, and ``bare=False`` wants a mark at the letter."""
    text = encodable(text[:200])
    match = _LEADING.match(text)
    if not match:
        return ""
    if match.group(1):
        return str(match.group(1)).upper()
    after = text[match.end(2) :]
    if after[:1] in (".", ")", ":", "：", "、", "．") or (bare and not after.strip(" ,*$}\"'`\n")):
        return str(match.group(2)).upper()
    return ""


def option_of(prompt: str, value: Value) -> str:
    """The letter of the only option in the prompt that is this value, or nothing."""
    if value.kind is Kind.UNREAD:
        return ""
    letters = [letter for letter, option in options(prompt[-LONGEST_REMEMBERED:]).items() if _is_option(option, value)]
    return letters[0] if len(letters) == 1 else ""


def _is_option(option: Value, value: Value) -> bool:
    try:
        return same_value(option, value, _same_text)
    except CannotTell:
        return False


def _same_text(first: str, second: str) -> bool:
    return first == second


@lru_cache(maxsize=256)
def options(prompt: str) -> dict[str, Value]:
    """The options in a prompt by letter: the last row of markers ``A. … B. …`` or ``(A) … (B) …`` that begins with A."""
    text = encodable(prompt)
    series: list[tuple[str, int, int]] = []
    for marker in _MARKER.finditer(text):
        letter = next(filter(None, marker.groups()))
        if letter == "A":
            series = []
        if letter == LETTERS[len(series) : len(series) + 1]:
            series.append((letter, marker.start(), marker.end()))
    if len(series) < 2:
        return {}
    ends = [start for _, start, _ in series[1:]] + [len(text)]
    contents = [text[begin:end].strip().partition("\n")[0] for (_, _, begin), end in zip(series, ends, strict=True)]
    return {letter: read_value(content) for (letter, _, _), content in zip(series, contents, strict=True)}
