"""Sentences that a comparison makes: a key of the text tables and its parameters, so that page, report and command line word them alike.

A parameter may itself be a phrase, or a list of phrases. Not here: the words (``lab/words/*/compared.toml``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.words import say

IN_BOTH = "report.in_both"
"""The key of a phrase that has its own words in both languages: a title out of a file, the label of a rule."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Phrase:
    """One sentence, or a part of one."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def say(self, locale: str) -> str:
        """Its words in a language."""
        if self.key == IN_BOTH:
            return str(self.params["zh" if locale.lower().startswith("zh") else "en"])
        return say(self.key, locale, **{name: _worded(value, locale) for name, value in self.params.items()})


def plain(text: str) -> Phrase:
    """A text that is the same in every language: a figure, a name that a person gave."""
    return Phrase("compared.plain", {"text": text})


def in_both(en: str, zh: str) -> Phrase:
    """A text that stands in a file in both languages."""
    return Phrase(IN_BOTH, {"en": en, "zh": zh})


def sentences(phrases: Sequence[Phrase], locale: str) -> str:
    """Several sentences in a row; Chinese has no space between two."""
    return ("" if locale.lower().startswith("zh") else " ").join(phrase.say(locale) for phrase in phrases)


def points(share: float, *, signed: bool = False) -> str:
    """A difference of shares in points, one digit after the dot: ``+2.5``."""
    return _minus(f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}")


def figure(value: float, digits: int = 2) -> str:
    """A number with the real minus."""
    return _minus(f"{value:.{digits}f}")


def count(value: float) -> str:
    """A whole number with thousands apart: ``15,360``."""
    return f"{round(value):,}"


def _worded(value: object, locale: str) -> object:
    if isinstance(value, Phrase):
        return value.say(locale)
    if isinstance(value, (list, tuple)) and value and all(isinstance(part, Phrase) for part in value):
        return _joined([part.say(locale) for part in value], locale)
    return value


def _joined(parts: Sequence[str], locale: str) -> str:
    """``A, B and C``; 「A、B 和 C」."""
    if len(parts) == 1:
        return parts[0]
    between, last = ("、", " 和 ") if locale.lower().startswith("zh") else (", ", " and ")
    return f"{between.join(parts[:-1])}{last}{parts[-1]}"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
