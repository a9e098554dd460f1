"""What is known of a recording of another tool's rollouts that was taken in, as values: for whoever keeps, words or shows it.

Not here: reading the tool's rows (``rollouts.py``), and where a recording is kept (``lab/store/recordings.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.core.notes import Note
from lab.data.left_out import LeftOut


@dataclass(frozen=True)
class Recording:
    """What was taken in."""

    id: str
    name: str
    tool: str
    created: float
    files: int
    steps: int
    groups: int
    completions: int
    weights: dict[str, float]
    """Of each reward function."""
    notes: tuple[Note, ...]
    left_out: tuple[tuple[str, LeftOut], ...]
    """Rows that are not in it: the file's name, and the line with the reason."""

    def as_json(self) -> dict[str, Any]:
        """recording.json."""
        rows = [[file, row.line, row.why.value, row.detail] for file, row in self.left_out]
        notes = [{"key": note.key, "params": note.params} for note in self.notes]
        return {**vars(self), "notes": notes, "left_out": rows}
