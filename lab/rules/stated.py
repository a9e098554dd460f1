r"""Where a completion states its answer: in its last mark, else in its last result (``results.py``).

Marks are ``<answer>…</answer>``, ``#### …``, ``\boxed{…}``, and phrases such as "The answer is", "Answer:", 答案是.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from lab.rules.notation import closing_brace, joined_amounts
from lab.rules.reading import LONGEST_VALUE, read_value
from lab.rules.results import last_result, numbers_in
from lab.rules.statements import LONGEST_REMEMBERED
from lab.rules.typography import plain
from lab.rules.values import Kind, Value

PHRASES = (
    *("answer is", "answer:", "answers are", "answer equals", "answer is:", "answer=", "answer ="),
    *("option is", "choice is", "answer should be", "answer would be", "answer must be"),
    *("答案是", "答案为", "答案:", "答案", "结果是", "结果为"),
)
"""Set phrases that the answer follows, in lower case."""

_IN_PHRASES = ("answer", "option is", "choice is", "答案", "结果")
"""One of them is in every set phrase."""

_STRONG = (("<answer>", 8), ("####", 4), ("\\boxed", 6), ("\\fbox", 5))
_CUTS = (" because ", " since ", "因为", " as there ", " which ", ", so ", ", and ")
_DENIALS = (
    "not ", "n't ", "不是", "unknown", "cannot", "unclear", "并非", "neither", "wrong", "doubt", "instead of",
    "rather than", " than ", "at least", "at most", "between", "up to", "大于", "小于", "多于", "少于", "超过", "不到",
    "至少", "至多", "最多", "≠", "<", ">",
)  # fmt: skip
_RETRACTS = (
    "wait", "actually", "mistake", "correction", "on second thought", "i meant", "更正", "不对", "算错", "应该是",
)  # fmt: skip
"""Words after a stated answer that may take it back."""


class Stated(NamedTuple):
    """The answer that a completion states."""

    value: Value | None
    """None where it states none."""
    text: str
    """As it stands there."""
    marked: bool


def stated(prompt: str, completion: str) -> Stated:
    """The answer that a completion states; never raises. The prompt tells which letter is asked for."""
    if len(completion) <= LONGEST_REMEMBERED:
        return _remembered_stated(prompt[-LONGEST_REMEMBERED:], completion)
    return _stated(prompt, completion)


def _stated(prompt: str, completion: str) -> Stated:
    short = completion.strip()
    if short.isdecimal() and short.isascii():
        return Stated(read_value(short), short, False)
    if (number := _number_in_last_mark(completion)) is not None:
        return Stated(read_value(number), number, True)
    text = joined_amounts(plain(completion))
    text = text.rpartition("</think>")[2].strip() or text
    marked = _marked(text)
    if marked is not None:
        value = _value_of_marked(prompt, marked)
        return Stated(value, marked, True)
    result = last_result(prompt, text)
    if result is None:
        return Stated(None, "", False)
    return Stated(read_value(result), result, False)


_remembered_stated = lru_cache(maxsize=256)(_stated)


# Marks


def _number_in_last_mark(completion: str) -> str | None:
    """The plain number that a completion ends in behind ``####``, as GSM8K's do; the long way comes to the same."""
    at = completion.rfind("####")
    ending = completion[at + 4 :].strip(" \t") if at >= 0 else ""
    number = ending.rstrip()
    digits = number.removeprefix("-").replace(",", "").replace(".", "", 1)
    return number if digits.isdecimal() and number.isascii() and number[-1] not in ".," else None


def _marked(text: str) -> str | None:
    """What stands in the last mark of a plain text; a phrase only counts where an answer follows it."""
    at, sign, length = max((text.rfind(sign), sign, length) for sign, length in _STRONG)
    for start, end in _phrases(text, at):
        content = _sentence(text[end:])
        if content and not (at >= 0 and read_value(content).kind in (Kind.WORDS, Kind.UNREAD)):
            clause = text[max(0, start - 40, *(text.rfind(end, 0, start) for end in ";,.:\n。")) : start]
            doubted = any(word in clause for word in _DENIALS) or _taken_back(text[end:])
            return f"not sure: {content}" if doubted else content
    if at < 0:
        return None
    content = _content(text, at, sign, length)
    rest = text[at + length :].partition("\n")[2].strip() if sign == "####" else ""
    if rest and not content[:1].isdecimal() and read_value(content).kind in (Kind.WORDS, Kind.UNREAD):
        return _marked(rest) or last_result("", rest)  # a heading
    return content


def _taken_back(text: str) -> bool:
    """Whether a text, which begins with a stated answer, goes on to another one."""
    place = min((at for word in _RETRACTS if (at := text.find(word)) >= 0), default=-1)
    return place >= 0 and any(sign.isdecimal() for sign in text[place:])


def _phrases(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where set phrases begin and end that stand after this place, the last one first; of those that begin together the longest."""
    if not any(word in text for word in _IN_PHRASES):
        return
    ends: dict[int, int] = {}
    for phrase in PHRASES:
        if (place := text.rfind(phrase)) > at:
            ends[place] = max(ends.get(place, 0), place + len(phrase))
    yield from sorted(ends.items(), reverse=True)


def _content(text: str, at: int, sign: str, length: int) -> str:
    if sign == "<answer>":
        return text[at + length :].partition("</answer>")[0].strip()
    if sign == "####":
        return text[at + length :].partition("\n")[0].strip()
    while (outer := text.rfind(sign + "{", 0, at)) >= 0 and closing_brace(text, outer + len(sign)) > at:
        at = outer  # a box within a box
    return ", ".join(reversed(list(_boxes(text, at, sign)))).strip()


def _boxes(text: str, at: int, sign: str) -> Iterator[str]:
    r"""The box at this place and those right before it: ``\boxed{1}`` and ``\boxed{2}`` are two answers."""
    while True:
        opening = at + len(sign)
        if text[opening : opening + 1] != "{":
            yield text[opening:].split("\n")[0].split("$")[0].strip()
            return
        end = closing_brace(text, opening) if text.find("}", opening) >= 0 else len(text)
        yield text[opening + 1 : end]
        before = text.rfind(sign + "{", 0, at)
        if before < 0:
            return
        between = text[closing_brace(text[:at], before + len(sign)) + 1 : at]
        if between.strip(" $,;\\()和与") not in ("", "and", "or", "或"):
            return
        at = before


def _sentence(text: str) -> str:
    """What stands before the sentence ends: at a line's end, a full stop, or a word that goes on to explain."""
    text = text.lstrip(" :*=\t\n").partition("\n")[0][:LONGEST_VALUE]
    for stop in (". ", "。", "! ", "; ", ".)", *_CUTS):
        text = text.partition(stop)[0]
    return text.strip().rstrip(".!").strip()


def _value_of_marked(prompt: str, content: str) -> Value:
    """The value in a mark; of a sentence its only result. One that denies or offers alternatives stays unread."""
    value = read_value(content)
    if value.kind is not Kind.UNREAD or not content:
        return value
    if any(word in f"{content} " for word in (*_DENIALS, " or ", "或", "\\", "^")):
        return value
    result = last_result(prompt, content)
    others = {each.text for each in numbers_in(content)} - {""}
    if result is None or (len(others) > 1 and "=" not in content):
        return value
    return read_value(result)
