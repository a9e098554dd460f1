"""Multiple choice: the options in a prompt, and which of them a completion chooses, by its letter or by the option's text."""

from __future__ import annotations

from functools import lru_cache
from operator import eq

import re2

from lab.rules.reading import read_value
from lab.rules.stated import Stated, stated
from lab.rules.statements import LONGEST_REMEMBERED
from lab.rules.typography import one_typography
from lab.rules.values import CannotTell, Kind, Value, same_value

LETTERS = "ABCDEFGHIJ"
"""Of options; the first one is always A."""

_MARKER = re2.compile(r"(?:^|[\s,;])(?:\(([A-Ja-j])\)|([A-Ja-j])[.):;])[ \t]*")
_ONLY_LETTER = re2.compile(
    r"[\s$*_\"'`]*(?:\\(?:text|textbf|mathrm|mathbf|boxed)\{)*[ (\[]*([A-Ja-j])[ )\]]*\}*[\s$*_\"'`.。:)]*"
)
_LEADING = re2.compile(
    r"(?i)[\s$*\"'`]*(?:option|choice|选项|选)?[\s*:]*(?:\\(?:text|textbf|mathrm|mathbf)\{)*(?:[(\[]\s*([A-J])\s*[)\]]|([A-J])(?:[.):;,\s}*$]|$))"
)
_NAMED = re2.compile(
    r"(-\s*(?:\\text\{)?)?(?:\(([A-J])\)|"
    r"\*\*([A-J])\*\*|(?i:option|choice|选项|故选|应选|选择|选)[\s:]*([A-J])\b|\b([A-J])(?: is (?:correct|right|the answer)|选?项)"
    r"|(?i:answer -|\bis|'s|\bbe|\bwith|therefore,?|thus,?|hence,?|so,?)\s+([A-J])[\s.!*]*$|^\s*([A-J])(?: - |, (?:because|since|as) ))"
)
_REJECTS = re2.compile(
    r"(?i)\bnot?\b|n't\b|\bwrong|\bincorrect|\beliminat|\bexcept|\bfalse|\btempting|rule out|不|错|排除|除"
)
"""Words that say of an option that it is none."""
_ALONE = re2.compile(r"\b([B-HJ]|A[.!?]?\s*$)\b")


def multiple_choice(prompt: str, completion: str, answer: str | None) -> float:
    r"""1 where the completion chooses the option that the answer names, 0 where it chooses another or none.

    Both may be a letter (``B``, ``(B)``, ``\boxed{B}``) or the text of an option in the prompt. Raises ValueError where the answer is
    not known or names no option, and CannotTell where the completion names several or something that is no option.
    """
    if answer is None or not answer.strip():
        raise ValueError("the answer is not known")
    wanted = option_letter(answer, prompt) or option_of(prompt, read_value(answer))
    if not wanted:
        raise CannotTell(f"the answer is no option: {answer.strip()[:60]}")
    return float(chosen(prompt, completion, stated(prompt, completion)) == wanted)


def option_letter(text: str, prompt: str = "") -> str:
    r"""The letter that a text is and nothing else (``A``, ``(A)``, ``\text{(A)}``), or nothing; a small one where the prompt has options."""
    if len(text) > 40 or text.isdecimal():
        return ""
    match = _ONLY_LETTER.fullmatch(one_typography(text))
    if not match or (match.group(1).islower() and not options(prompt[-LONGEST_REMEMBERED:])):
        return ""
    return str(match.group(1)).upper()


def chosen(prompt: str, completion: str, statement: Stated) -> str:
    """The letter of the option that a completion chooses; nothing where it chooses none. Raises CannotTell."""
    if statement.marked and statement.value is not None:
        letter = _leading_letter(statement.text) or option_of(prompt, statement.value)
        if letter or not statement.text:
            return letter
        raise CannotTell(f"names no option: {statement.text[:60]}")
    letter = option_letter(completion, prompt) or _leading_letter(completion, bare=False)
    completion = one_typography(completion)
    if letter:
        return letter
    named = {next(filter(None, letters)) for minus, *letters in _NAMED.findall(completion) if not minus}
    if len(named) > 1 or (named and _REJECTS.search(completion)):
        raise CannotTell(f"names options and chooses none: {', '.join(sorted(named))}")
    letter = named.pop() if named else option_of(prompt, read_value(completion))
    if not letter and _ALONE.search(completion):
        raise CannotTell("names a letter and does not choose it")
    return letter


def _leading_letter(text: str, *, bare: bool = True) -> str:
    """The letter that a text begins with; an article (``a dog``) is none, and ``bare=False`` wants a mark at the letter."""
    text = one_typography(text[:200])
    match = _LEADING.match(text)
    if not match:
        return ""
    if match.group(1):
        return str(match.group(1)).upper()
    after = text[match.end(2) :]
    if after[:1] in (".", ")", ":", ";") or (bare and not after.strip(" ,*$}\"'`\n")):
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
        return same_value(option, value, eq)
    except CannotTell:
        return False


@lru_cache(maxsize=256)
def options(prompt: str) -> dict[str, Value]:
    """The options in a prompt by letter: the last row of markers ``A. … B. …`` or ``(A) … (B) …`` that begins with A."""
    text = one_typography(prompt)
    series: list[tuple[str, int, int]] = []
    for marker in _MARKER.finditer(text):
        letter = next(filter(None, marker.groups())).upper()
        if letter == "A":
            series = []
        if letter == LETTERS[len(series) : len(series) + 1]:
            series.append((letter, marker.start(), marker.end()))
    if len(series) < 2:
        return {}
    ends = [start for _, start, _ in series[1:]] + [len(text)]
    contents = [text[begin:end].strip().partition("\n")[0] for (_, _, begin), end in zip(series, ends, strict=True)]
    return {letter: read_value(content) for (letter, _, _), content in zip(series, contents, strict=True)}
