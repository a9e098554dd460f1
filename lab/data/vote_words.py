"""Reads a vote that names a response: by its letter, number, column or model, by left and right, by its text, or as ``A>B``.

Numbers are read only where the file leaves no doubt what they count from; where each file keeps its vote is ``vote_rows.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from lab.core.preferences import Choice
from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import is_missing, score_of, text

Row = Mapping[str, Any]

FROM_0, FROM_1, FIRST_BETTER = "best_from_0", "best_from_1", "first_better"
"""Names that a column can be mapped to: a place counted from 0 or 1, or whether the first response is the better one."""
WINNERS = (
    FROM_0, FROM_1, FIRST_BETTER, "winner", "preference", "preferred", "vote", "better", "chosen", "label", "choice", "selected",
    "pairwise", "comparison", "best", "best_response", "better_response", "preferred_response", "preferred_answer",
    "human_preference", "human_choice", "verdict", "judgement", "judgment", "decision", "preference.responses",
)  # fmt: skip
"""Columns of votes, the likeliest first."""
TIES = (
    "tie", "equal", "same", "draw", "both", "both_good", "both good", "tie (bothgood)", "a=b", "b=a", "1=2", "平局", "一样",
)  # fmt: skip
NEITHER = ("tie (bothbad)", "both_bad", "both bad", "bothbad", "neither", "none", "都不好")
_COMPARED = re.compile(r"(\w+)(>{1,3}|<{1,3})(\w+)")


class Counted(StrEnum):
    """What the numbers of a column of votes mean."""

    NAMES = "names"
    """They are those of the responses' columns: ``response_1``, ``answer0``."""
    FROM_0 = "from_0"
    FROM_1 = "from_1"
    FIRST_BETTER = "first_better"
    """Yes (1) is the first response, no (0) the second."""
    UNSURE = "unsure"
    """0 and 1 of responses that are not called so: the file does not say which is which."""


def counted_in(rows: Iterable[Row], column: str, endings: tuple[str, str]) -> Counted:
    """What the numbers of ``column`` mean, for responses whose columns end so (``a`` and ``b``, ``1`` and ``2``)."""
    if column in (FROM_0, FROM_1, FIRST_BETTER):
        return {FROM_0: Counted.FROM_0, FROM_1: Counted.FROM_1, FIRST_BETTER: Counted.FIRST_BETTER}[column]
    values = [value for row in rows if not is_missing(value := row.get(column)) and value not in ("", [])]
    numbers = {score_of(value) for value in values}
    if 0 in numbers and endings != ("0", "1") and numbers <= {0, 1}:
        return Counted.UNSURE
    return Counted.NAMES


def no_choice(value: Any) -> NotUsable:
    """Why a vote cannot be read: there is none yet, or it names neither response."""
    if is_missing(value) or value in ("", []):
        return NotUsable(WhyLeftOut.NO_VOTE)
    return NotUsable(WhyLeftOut.NO_CHOICE, text(value).strip()[:40] if not isinstance(value, bool) else str(value))


def named_choice(
    row: Row, column: str, sides: tuple[str, str], endings: tuple[str, str], counted: Counted = Counted.NAMES
) -> Choice:
    """The choice that a row's ``column`` names, of the responses in the columns ``sides``. Raises NotUsable where it names neither."""
    value = row.get(column)
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, (list, tuple)) and len({text(each) for each in value}) == 1:
        value = value[0]
    place = _place(value, counted, column)
    if place is not None:
        return Choice.FIRST if place == 0 else Choice.SECOND
    vote = text(value).strip().casefold().strip("[]")
    if vote in TIES:
        return Choice.TIE
    if vote in NEITHER and vote:
        return Choice.BOTH_BAD
    words = [_words(row, side, ending, names) for side, ending, names in zip(sides, endings, _USUAL, strict=True)]
    compared = _COMPARED.fullmatch(vote.replace(" ", ""))
    if compared is not None:
        left, sign, right = compared.groups()
        pair = (left, right) if sign.startswith(">") else (right, left)
        if any(pair[0] in words[this] and pair[1] in words[1 - this] for this in (0, 1)):
            vote = pair[0]
    whole = [text(row.get(side)).strip().casefold() for side in sides]
    for choice, known in zip((Choice.FIRST, Choice.SECOND), words, strict=True):
        if vote in known or vote.removesuffix(".0") in known:
            return choice
    if vote and whole.count(vote) == 1:
        return Choice.FIRST if vote == whole[0] else Choice.SECOND
    raise no_choice(value)


_USUAL = (("first", "a", "left"), ("second", "b", "right"))


def _place(value: Any, counted: Counted, column: str) -> int | None:
    """0 or 1 of a vote that is a number; None where it is none, or its number is the column's own."""
    if counted is Counted.NAMES:
        return None
    number = score_of(value)
    if counted is Counted.FIRST_BETTER and number is None:
        number = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}.get(text(value).strip().lower())
    if number is None:
        return None
    if counted is Counted.UNSURE:
        raise NotUsable(WhyLeftOut.UNSURE_VOTE, column)
    place = 1 - number if counted is Counted.FIRST_BETTER else number - (counted is Counted.FROM_1)
    if place not in (0, 1):
        raise no_choice(value)
    return int(place)


def _words(row: Row, side: str, ending: str, names: tuple[str, str, str]) -> set[str]:
    """What a vote may call a response; ``model_a`` and its like also where the columns are numbered."""
    ending = ending.casefold()
    words = {side.casefold(), ending, *names}
    words |= {f"{kind}_{each}" for kind in ("model", "response", "answer") for each in (ending, names[1])}
    return words | ({text(row.get(f"model_{ending}")).strip().casefold()} - {""})
