"""What became of the responses that annotators rewrote, in sentences: for the Annotate tab and the command line."""

from __future__ import annotations

from collections.abc import Mapping

from lab.core.derivation import EditFate
from lab.words import say


def edit_sentences(counts: Mapping[EditFate, int], language: str) -> list[str]:
    """One sentence a fate, those that are used first; none where nobody edited a response."""
    return [say(f"edit_fate.{fate}", language, count=counts[fate]) for fate in EditFate if counts.get(fate)]
