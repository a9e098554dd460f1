"""What the lab assumed while it read a file, said to the person: an encoding, a column's meaning. The sentences are in ``lab/words``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One assumption: its sentence is ``data_note.<key>``, filled in with ``params``."""

    key: str
    params: tuple[tuple[str, str], ...] = ()


def note(key: str, **params: object) -> Note:
    """A note with its parameters as text."""
    return Note(key, tuple((name, str(value)) for name, value in params.items()))
