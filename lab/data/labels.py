"""Marks of good and bad on completions: KTO's ``label``, ``kto_tag``, thumbs, ratings, scores. Which rows are demonstrations by them.

A mark is yes or no where all its values are (``true``, ``1``, ``good``, ``👍`` …). A grade is a number: above the middle of what the
file has is good, which is a guess, and is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import is_missing, number_of, text

Row = Mapping[str, Any]

COLUMNS = (
    "label", "kto_tag", "is_good", "good", "thumbs", "thumb", "feedback", "desirable", "accepted", "upvoted", "is_correct",
    "correct", "is_chosen", "rating", "score", "reward", "stars", "quality", "helpfulness", "vote",
)  # fmt: skip
SCORES = ("score", "reward", "quality", "vote")
"""Grades that say nothing of what is good enough to be learnt; of two completions of one prompt they say which is better."""
GOOD = (
    "true", "1", "good", "yes", "up", "thumbs_up", "thumbs up", "👍", "desirable", "accepted", "correct", "chosen", "positive",
    "+1", "like", "好", "对",
)  # fmt: skip
BAD = (
    "false", "0", "bad", "no", "down", "thumbs_down", "thumbs down", "👎", "undesirable", "rejected", "incorrect", "wrong",
    "negative", "-1", "dislike", "坏", "差", "错",
)  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """The column that marks, and how its values are read."""

    column: str
    above: float | None = None
    """Of grades: what is above it is good. None where the column says yes or no."""

    def worth(self, row: Row) -> float:
        """How good: 1 or 0, or the grade. Raises NotUsable where the row does not say."""
        value = row.get(self.column)
        if self.above is None:
            said = _word(value)
            if said in GOOD or said in BAD:
                return float(said in GOOD)
        elif (number := number_of(value)) is not None:
            return number
        raise NotUsable(WhyLeftOut.NO_LABEL, self.column)

    def is_good(self, row: Row) -> bool:
        """Whether the row is a demonstration. Raises NotUsable where it does not say."""
        return self.worth(row) > (0.0 if self.above is None else self.above)


def labels_of(rows: Iterable[Row], columns: Iterable[str]) -> Labels | None:
    """The marks of a file; None where no column is one, such as a ``label`` that names a subject."""
    names = list(columns)
    rows = list(rows)
    for column in COLUMNS:
        if column not in names:
            continue
        values = [
            row[column] for row in rows if column in row and not is_missing(row[column]) and _word(row[column]) != ""
        ]
        if not values:
            continue
        if all(_word(value) in GOOD or _word(value) in BAD for value in values):
            return Labels(column)
        numbers = [number for value in values if (number := number_of(value)) is not None]
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            return Labels(column, (low + high) / 2 if low < high else low - 1)
    return None


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return text(value).strip().lower().removesuffix(".0")
