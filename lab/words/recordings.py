"""What is said of a recording that was taken in: what its files do not tell, and the rows that are not in it."""

from __future__ import annotations

from collections.abc import Iterator

from lab.data.recordings import Recording
from lab.words import say

LISTED = 5
"""Rows left out that are named singly."""


def note_sentences(recording: Recording, locale: str) -> list[str]:
    """What was assumed, a sentence each."""
    return [say(f"recording_note.{note.key}", locale, **note.params) for note in recording.notes]


def left_out_sentences(recording: Recording, locale: str) -> Iterator[str]:
    """The first rows left out with file, line and reason; then how many more there are."""
    for file, row in recording.left_out[:LISTED]:
        why = say(f"left_out.{row.why.value}", locale, detail=row.detail)
        yield say("recordings.left_out", locale, file=file, line=row.line, why=why)
    if (more := len(recording.left_out) - LISTED) > 0:
        yield say("recordings.left_out_more", locale, count=more)
