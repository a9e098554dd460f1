"""A sentence that the page says at once, of what was done or what is wrong. Its words are ``text/``."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab.words import say, word_note


def notice(text: str, kind: str = "note") -> str:
    """A paragraph, or nothing where there is nothing to say; a ``problem`` is read out at once.

    The text may hold what somebody typed, so nothing in it is markup.
    """
    role = "alert" if kind == "problem" else "status"
    return f'<p class="{kind}" role="{role}">{html.escape(text)}</p>' if text else ""


def quiet(*sentences: str) -> str:
    """Each sentence as a quiet paragraph, which calls nobody."""
    return "".join(f'<p class="quiet">{html.escape(sentence)}</p>' for sentence in sentences)


def notes(found: Sequence[Mapping[str, Any]], language: str) -> str:
    """Notes on a recipe (``lab/core/notes.py``) as a list; where a setting mends one, a button that sets it in the form."""
    items = "".join(f"<li>{html.escape(word_note(note, language))}{_mend(note, language)}</li>" for note in found)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _mend(note: Mapping[str, Any], language: str) -> str:
    mend = note.get("mend") or {}
    if not mend:
        return ""
    field, value = next(iter(mend.items()))
    label = html.escape(say("note_mend.button", language, field=field, value=value))
    settings = html.escape(json.dumps(mend), quote=True)
    return f' <button type="button" class="mend" data-mend="{settings}">{label}</button>'


MENDS = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-mend]");
  if (button) window.labDraft.mend(JSON.parse(button.dataset.mend));
});
"""
"""For ``js_on_load`` of what shows notes."""
