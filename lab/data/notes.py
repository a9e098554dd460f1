"""What the lab assumed while it read a file, said to the person: an encoding, a column's meaning.

A note's sentence is ``data_note.<key>`` in ``lab/words``, filled in with its parameters.
"""

from __future__ import annotations

from lab.core.notes import Note

__all__ = ["Note", "note"]


def note(key: str, **params: object) -> Note:
    """A note with its parameters as text."""
    return Note(key, {name: str(value) for name, value in params.items()})
