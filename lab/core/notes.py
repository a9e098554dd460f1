"""Notes: what is worth saying of a run, of a file that was read, or of a recording. A note is a key and its parameters.

The words stand in ``lab/words``: ``note`` of runs, ``data_note`` of files, ``recording_note`` of recordings.
Refusals are errors (``lab/errors.py``) and not notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """One sentence. ``mend`` holds the settings that would change what it says, by their names in the recipe."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)
    mend: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.key, *self.params))

    def as_dict(self) -> dict[str, Any]:
        """The form that is stored and sent: ``{"key", "params", "mend"}``."""
        return {"key": self.key, "params": dict(self.params), "mend": dict(self.mend)}


def note(key: str, **params: object) -> Note:
    """A note with its parameters as text."""
    return Note(key, {name: str(value) for name, value in params.items()})
