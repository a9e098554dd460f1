"""The ready-made rules about a completion's form: tags, length, repetition, language. None of them judges content."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from lab.core.rules import RuleFunction
from lab.errors import RuleError

TAGS = ("think", "answer")
"""The tags of ``format_tags``: first the reasoning, then the answer."""

SHORTEST, LONGEST = 1, 1000
"""Characters, for ``length_range``."""

NGRAM = 3
"""Tokens in a row that ``no_repetition`` compares."""

LONGEST_WORD = 24
"""A longer run without a blank is compared character by character, or ``aaaa…`` would count as one word."""


def has_tags(*names: str) -> RuleFunction:
    """A rule: 1 where the completion is these tags in this order, each once and not empty, with nothing around them."""
    body = r"\s*".join(f"<{re2.escape(name)}>(.+)</{re2.escape(name)}>" for name in names)
    pattern = re2.compile(rf"(?s)\s*{body}\s*")
    openings = [f"<{name}>" for name in names]
    closings = [f"</{name}>" for name in names]

    def rule(prompt: str, completion: str, answer: str | None) -> float:
        if any(completion.count(tag) != 1 for tag in (*openings, *closings)):
            return 0.0
        match = pattern.fullmatch(encodable(completion))
        return float(match is not None and all(group.strip() for group in match.groups()))

    return rule


def length_between(shortest: int, longest: int) -> RuleFunction:
    """A rule: 1 where the completion has this many characters (both ends included), blanks around it left out."""
    if not 0 <= shortest <= longest:
        raise RuleError("rule_length", shortest=shortest, longest=longest)

    def rule(prompt: str, completion: str, answer: str | None) -> float:
        return float(shortest <= len(completion.strip()) <= longest)

    return rule


def distinct_ngrams(size: int) -> RuleFunction:
    """A rule: the share of distinct runs of ``size`` tokens; 1 where nothing is said twice. A token is a word or, in
    Chinese, Japanese and Korean, a character."""
    if size < 1:
        raise RuleError("rule_ngram", size=size)

    def rule(prompt: str, completion: str, answer: str | None) -> float:
        words = _words(completion)
        total = len(words) - size + 1
        if total < 2:
            return 1.0
        return len(set(zip(*(words[offset:] for offset in range(size)), strict=False))) / total

    return rule


format_tags = has_tags(*TAGS)
length_range = length_between(SHORTEST, LONGEST)
no_repetition = distinct_ngrams(NGRAM)


def language(prompt: str, completion: str, answer: str | None) -> float:
    """The share of the completion that is written in the prompt's script; 1 where either holds no words.

    Single letters (``x = 5``) belong to no language. A Chinese character weighs as much as a Latin word of two letters
    or more.
    """
    prompt_words, completion_words = _scripts(prompt), _scripts(completion)
    total = sum(completion_words)
    if not any(prompt_words) or not total:
        return 1.0
    # A Chinese question often names things in English: a quarter of its words in Chinese makes it Chinese.
    cjk, latin, other = prompt_words
    if cjk and 4 * cjk >= latin + other:
        return completion_words[0] / total
    return completion_words[1] / total if latin >= other else completion_words[2] / total


def _is_cjk(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" or "\U00020000" <= char <= "\U0003ffff"


def _scripts(text: str) -> tuple[int, int, int]:
    """How many CJK characters, Latin words and words of other scripts a text has; numbers and signs are left out."""
    for name in TAGS:  # a tag is form, not language
        text = text.replace(f"<{name}>", " ").replace(f"</{name}>", " ")
    cjk = 0
    letters: list[str] = []
    for char in text:
        if not char.isalpha():
            letters.append(" ")
        elif _is_cjk(char):
            cjk += 1
            letters.append(" ")
        else:
            letters.append(char)
    words = [word for word in "".join(letters).split() if len(word) > 1]
    latin = sum(word[0] <= "\u024f" for word in words)
    return cjk, latin, len(words) - latin


def _words(text: str) -> Sequence[str]:
    """Words at blanks; what is written without blanks, and each CJK character, one by one."""
    if text.isascii():
        words = text.split()
    else:
        words = "".join(f" {char} " if _is_cjk(char) else char for char in text).split()
    if all(len(word) <= LONGEST_WORD for word in words):
        return words
    return [piece for word in words for piece in ([word] if len(word) <= LONGEST_WORD else word)]


def encodable(text: str) -> str:
    """Without lone surrogates, which RE2 cannot take: it works on UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
