"""Where a row says which answer is the better one instead of repeating it: its place in a list, its letter, its text or its column
(``{"answers": […], "best": 1}``; ``{"a": …, "b": …, "chosen": "b", "rejected": "a"}``).

Whether places are counted from 0 or from 1 is read off the whole file; where no row settles it, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.ranked_rows import LISTS, Row, listed, text_of
from lab.data.turns import number_of, text
from lab.data.vote_rows import PAIRED, ending_of
from lab.data.vote_words import FROM_0, FROM_1, no_choice

KINDS = ("best", "preferred", "winner", "choice", "selected", "better", "chosen", "gold", "correct", "winning")
ENDINGS = ("_idx", "_index", "_id", "_answer", "_response", "_completion", "")
BESTS = (FROM_0, FROM_1, *(f"{kind}{ending}" for kind in KINDS for ending in ENDINGS), "label", "preference", "vote")
"""Columns that name the best answer, the likeliest first."""
COUNTS_FROM_0 = ("_idx", "_index")
"""Endings of programmers' columns: they count from 0 unless the file shows otherwise."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Best:
    """The column that names the best answer, and what its places are counted from: 0, 1, or None where the file leaves that open."""

    column: str
    base: int | None
    assumed: bool = False
    """Whether only the column's name says so."""


def best_of(rows: Iterable[Row], answers: str, columns: Iterable[str]) -> Best | None:
    """The column of the best answer of the list in ``answers``; None where there is none."""
    names, rows = list(columns), list(rows)
    for column in BESTS:
        if column not in names or column == answers:
            continue
        places = [(row.get(column), len(listed(row.get(answers)) or ())) for row in rows]
        if all(value in (None, "") or isinstance(value, (dict, list)) for value, _ in places):
            continue
        if column in (FROM_0, FROM_1):
            return Best(column, int(column == FROM_1))
        base = counts_from(places)
        assumed = base is None and column.endswith(COUNTS_FROM_0)
        return Best(column, 0 if assumed else base, assumed)
    return None


@dataclass(frozen=True)
class Places:
    """Where the answers stand that ``chosen`` and ``rejected`` only name: in a list, or in columns by these names."""

    columns: tuple[str, ...]
    named: dict[str, str] | None = None
    """A name in lower case → the column; None where the names are places in the list of the first column."""
    base: int | None = 0


def places_of(rows: Iterable[Row], columns: Iterable[str], chosen: str, rejected: str) -> Places | None:
    """Where the sides stand, if all cells of ``chosen`` and ``rejected`` only name them; None where these are the texts."""
    rows, names = list(rows), list(columns)
    cells = [row.get(side) for row in rows for side in (chosen, rejected) if row.get(side) not in (None, "")]
    if not cells or any(isinstance(cell, (bool, list, dict)) for cell in cells):
        return None
    answers = next((name for name in LISTS if name in names), None)
    if answers is not None and all((number := number_of(cell)) is not None and number % 1 == 0 for cell in cells):
        if any(text(row.get(chosen)) in map(text, listed(row.get(answers)) or ()) for row in rows):
            return None  # the answers are numbers themselves
        lengths = [(row, len(listed(row.get(answers)) or ())) for row in rows]
        places = [(row.get(side), length) for row, length in lengths for side in (chosen, rejected)]
        return Places((answers,), None, counts_from(places))
    free = [name for name in names if name not in (chosen, rejected)]
    named = {name.casefold(): name for name in free}
    paired = next((pair for pair in (*PAIRED, ("a", "b")) if set(pair) <= set(free)), ())
    named |= {ending_of(name).casefold(): name for name in paired}
    words = {text(cell).strip().casefold() for cell in cells}
    if len(words) > 1 and words <= named.keys():
        return Places(tuple(dict.fromkeys(named[word] for word in sorted(words))), named)
    return None


def answer_at(row: Row, side: str, places: Places) -> Any:
    """The answer that a row's ``side`` names; None where it names none. Raises NotUsable where its number could mean two of them."""
    value = row.get(side)
    if places.named is not None:
        return row.get(places.named.get(text(value).strip().casefold(), ""))
    if places.base is None:
        raise NotUsable(WhyLeftOut.COUNTED_FROM, side)
    answers, number = listed(row.get(places.columns[0])) or [], number_of(value)
    place = -1 if number is None else number - places.base
    return text_of(answers[int(place)]) if place in range(len(answers)) else None


def counts_from(places: Iterable[tuple[Any, int]]) -> int | None:
    """What ``(place, length of its list)…`` are counted from: 0 or 1; None where no row settles it. Where none is a number: 0."""
    numbers = [(number, length) for value, length in places if (number := number_of(value)) is not None]
    if not numbers or any(number == 0 for number, _ in numbers):
        return 0
    return 1 if any(number == length for number, length in numbers) else None


def best_first(row: Row, answers: str, best: Best) -> list[Any]:
    """The answers of a row, the best one first. Raises NotUsable where none is named, or the number could mean two of them."""
    texts = [text_of(answer) for answer in listed(row.get(answers)) or ()]
    if len(texts) < 2:
        raise NotUsable(WhyLeftOut.NOT_TEXT, answers)
    place = _place(row.get(best.column), texts, best)
    return [texts[place], *texts[:place], *texts[place + 1 :]]


def _place(value: Any, texts: Sequence[Any], best: Best) -> int:
    plain = [text(each).strip() for each in texts]
    word, number = text(value).strip(), number_of(value)
    if word and plain.count(word) == 1:
        if number is not None and (best.base is None or number - best.base != plain.index(word)):
            raise NotUsable(WhyLeftOut.COUNTED_FROM, best.column)  # the answers are numbers themselves
        return plain.index(word)
    if number is None and len(word) == 1 and word.upper() in LETTERS[: len(texts)]:
        return LETTERS.index(word.upper())
    if number is None:
        raise no_choice(value)
    if best.base is None:
        raise NotUsable(WhyLeftOut.COUNTED_FROM, best.column)
    place = number - best.base
    if place not in range(len(texts)):
        raise no_choice(value)
    return int(place)
