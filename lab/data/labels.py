"""Marks of good and bad on completions: KTO's ``label``, ``kto_tag``, thumbs, ratings, scores. They decide which rows are demonstrations,
and which completions of one prompt make preferences.

A mark is yes or no where all its values are (``true``, ``1``, ``good``, ``👍`` …). A grade is a number: a completion is good where its
grade is above the middle of the file's grades; this is a guess, and the person is told.

Preferences: of yes and no, good and bad completions of a prompt are paired in turn; of grades, the best one is paired with each lower
one. The same completion of a prompt counts once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.data.left_out import LeftOut, NotUsable, WhyLeftOut
from lab.data.turns import is_missing, number_of, word_of

Row = Mapping[str, Any]
Marked = tuple[int, Row, float]
"""The line, ``prompt, completion``, and how good it is."""

COLUMNS = (
    "label", "kto_tag", "is_good", "good", "thumbs", "thumb", "feedback", "desirable", "accepted", "upvoted", "is_correct",
    "correct", "is_chosen", "rating", "score", "reward", "stars", "quality", "helpfulness", "vote",
)  # fmt: skip
YES_OR_NO = (
    "is_safe", "safe", "is_valid", "valid", "is_preferred", "approved", "status", "passed", "weight", "train",
)  # fmt: skip
"""Columns that mark where all their values say yes or no, and are no grades otherwise."""
SCORES = ("score", "reward", "quality", "vote")
"""Grades that say nothing of what is good enough to be learnt; of two completions of one prompt they say which is better."""
GOOD = (
    "true", "1", "good", "yes", "up", "thumbs_up", "thumbs up", "👍", "desirable", "accepted", "correct", "chosen", "positive",
    "+1", "like", "approved", "safe", "valid", "pass", "passed", "好", "对",
)  # fmt: skip
BAD = (
    "false", "0", "bad", "no", "down", "thumbs_down", "thumbs down", "👎", "undesirable", "rejected", "incorrect", "wrong",
    "negative", "-1", "dislike", "unsafe", "invalid", "fail", "failed", "坏", "差", "错",
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
            word = word_of(value)
            if word in GOOD or word in BAD:
                return float(word in GOOD)
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
    for column in (*COLUMNS, *YES_OR_NO):
        if column not in names:
            continue
        values = [
            row[column] for row in rows if column in row and not is_missing(row[column]) and word_of(row[column]) != ""
        ]
        if not values:
            continue
        if all(word_of(value) in GOOD or word_of(value) in BAD for value in values):
            return Labels(column)
        if column in YES_OR_NO:
            continue
        numbers = [number for value in values if (number := number_of(value)) is not None]
        if len(numbers) == len(values):
            low, high = min(numbers), max(numbers)
            return Labels(column, (low + high) / 2 if low < high else low - 1)
    return None


def labelled_pairs(
    rows: Iterable[tuple[int, dict[str, Any]]], shape: Callable[[dict[str, Any]], dict[str, Any]], labels: Labels
) -> tuple[list[tuple[int, dict[str, Any]]], list[LeftOut]]:
    """``(line, preference)…`` in the order of the better one's line, and the rows that no pair was made of."""
    left_out: list[LeftOut] = []
    by_prompt: dict[str, list[Marked]] = {}
    for line, row in rows:
        try:
            worth = labels.worth(row)
            shaped = shape(row)
        except NotUsable as reason:
            left_out.append(reason.at(line))
            continue
        group = by_prompt.setdefault(json.dumps(shaped["prompt"], sort_keys=True, ensure_ascii=False), [])
        same = next(
            (marked for marked in group if marked[1]["completion"].strip() == shaped["completion"].strip()), None
        )
        if same is not None and same[2] == worth:
            left_out.append(LeftOut(line, WhyLeftOut.SAME_PAIR, str(same[0])))
        else:
            group.append((line, shaped, worth))
    pairs: list[tuple[int, dict[str, Any]]] = []
    for group in by_prompt.values():
        made = _pairs(group, graded=labels.above is not None)
        used = {line for better, worse in made for line in (better[0], worse[0])}
        left_out += [LeftOut(line, WhyLeftOut.NO_PARTNER) for line, _, _ in group if line not in used]
        pairs += [(better[0], _preference(better[1], worse[1])) for better, worse in made]
    return sorted(pairs, key=lambda pair: pair[0]), left_out


def _pairs(group: list[Marked], *, graded: bool) -> list[tuple[Marked, Marked]]:
    if graded:
        best = max(group, key=lambda marked: marked[2])
        pairs = [(best, marked) for marked in group if marked[2] < best[2]]
    else:
        good, bad = ([marked for marked in group if bool(marked[2]) is wanted] for wanted in (True, False))
        count = max(len(good), len(bad)) if good and bad else 0
        pairs = [(good[place % len(good)], bad[place % len(bad)]) for place in range(count)]
    return [(better, worse) for better, worse in pairs if _text(better) != _text(worse)]


def _text(marked: Marked) -> str:
    return str(marked[1]["completion"]).strip()


def _preference(better: Mapping[str, Any], worse: Mapping[str, Any]) -> dict[str, Any]:
    return {"prompt": better["prompt"], "chosen": better["completion"], "rejected": worse["completion"]}
