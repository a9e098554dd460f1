"""Words that components word by themselves in the browser, in both languages: the errors and the names of the rules."""

from __future__ import annotations

from lab.rules import RULES
from lab.words import subject_words

Words = dict[str, dict[str, str]]
JUDGING_REFUSALS = ("no_such_", "judgement_", "request_", "access_", "body_", "too_many_", "disk_")
"""The errors that the annotator's routes answer with, by how their keys begin: the page that only judges carries no others."""


def error_words() -> Words:
    """The sentences of errors by key, with their holes."""
    return subject_words("errors.")


def note_words() -> Words:
    """The sentences of notes on runs, and the reasons within them, by dotted key."""
    return subject_words("", "note.", "data_note.", "left_out.")


def judging_error_words() -> Words:
    """Those that a judgement can be refused with."""
    return subject_words("errors.", *JUDGING_REFUSALS)


def claim_words() -> Words:
    """What the course's two tables claim, and the names of their columns."""
    return subject_words("compared.", "claim.", "column.")


def rule_words() -> Words:
    """The ready-made rules' labels by name, and the reward model's, which stands among a completion's scores."""
    return {
        "en": {name: rule.label_en for name, rule in RULES.items()} | {"reward_model": "Reward model"},
        "zh": {name: rule.label_zh for name, rule in RULES.items()} | {"reward_model": "奖励模型"},
    }
