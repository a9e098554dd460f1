"""Preferences from a list of answers that are ranked or scored (UltraFeedback, Nectar): the best against each that is lower.

Equal ones make no pair, an answer without a score is passed over and counted. Rows of one marked answer each are ``labels.py``'s, rows
that only name the best one ``best_rows.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import number_of, score_of, unpacked

Row = Mapping[str, Any]

LISTS = ("responses", "completions", "answers", "generations", "candidates", "outputs", "response_list")
SCORES = (
    "scores", "ratings", "rewards", "score", "rating", "labels", "correctness", "is_correct", "correctness_math_verify",
)  # fmt: skip
"""Numbers, or yes and no: what is right is better."""
RANKS = ("rankings", "ranks", "ranking", "rank")
ITEM_TEXTS = ("response", "text", "answer", "content", "completion", "output", "generation")
ITEM_SCORES = ("overall_score", "score", "rating", "reward", "pm_score", "fine-grained_score")
ITEM_RANKS = ("rank", "ranking")


def list_columns(columns: Iterable[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of the answers and of their scores or ranks; empty where there is no list of answers."""
    names = list(columns)
    answers = next((name for name in LISTS if name in names), None)
    if answers is None:
        return ()
    worths = [name for name in (*SCORES, *RANKS) if name in names]
    worth = next((name for name in worths if any(listed(row.get(name)) is not None for row in rows)), None)
    return (answers,) if worth is None else (answers, worth)


def ranked(row: Row, columns: tuple[str, ...]) -> list[tuple[Any, float]]:
    """``(answer, worth)…`` from the best on, of the answers that have one. Raises NotUsable where scores or ranks do not fit.

    ``worth`` is the score, or the rank with its sign turned.
    """
    answers, worths, down = _judged(row, columns)
    pairs = [
        (text_of(answer), -value if down else value)
        for answer, value in zip(answers, worths, strict=True)
        if value is not None
    ]
    if not pairs and len(columns) == 1:
        raise NotUsable(WhyLeftOut.UNRANKED, columns[0])
    if len(pairs) < 2:
        raise NotUsable(WhyLeftOut.NO_SCORES, columns[-1])
    return sorted(pairs, key=lambda pair: -pair[1])


def unscored(row: Row, columns: tuple[str, ...]) -> int:
    """How many answers of a row have no score, where others have one."""
    return sum(value is None for value in _worths(row, columns))


def has_worth(row: Row, columns: tuple[str, ...]) -> bool:
    """Whether some answer of a row has a score or a rank."""
    return any(value is not None for value in _worths(row, columns))


def _worths(row: Row, columns: tuple[str, ...]) -> list[float | None]:
    """The scores or ranks of a row's answers; none where the row cannot be used."""
    try:
        return _judged(row, columns)[1]
    except NotUsable:
        return []


def _judged(row: Row, columns: tuple[str, ...]) -> tuple[list[Any], list[float | None], bool]:
    """The answers, their scores or ranks (None where one has none), and whether the lower ones are better."""
    answers = listed(row.get(columns[0]))
    if answers is None or len(answers) < 2:
        raise NotUsable(WhyLeftOut.NO_SCORES if answers else WhyLeftOut.NOT_TEXT, columns[0])
    if len(columns) > 1:
        worths = [score_of(value) for value in listed(row.get(columns[1])) or ()]
        if len(worths) != len(answers):
            raise NotUsable(WhyLeftOut.NO_SCORES, columns[1])
        return answers, worths, columns[1] in RANKS
    scores = [_of_item(item, ITEM_SCORES) for item in answers]
    ranks = [_of_item(item, ITEM_RANKS) for item in answers]
    down = sum(value is None for value in ranks) < sum(value is None for value in scores)
    return answers, ranks if down else scores, down


def best_against_rest(answers: list[tuple[Any, float]]) -> list[tuple[Any, Any]]:
    """``(better, worse)…``: the first against each that is lower. Raises NotUsable where all are equal."""
    best, worth = answers[0]
    pairs = [(best, answer) for answer, lower in answers[1:] if lower < worth]
    if not pairs:
        raise NotUsable(WhyLeftOut.TIE)
    return pairs


def listed(value: Any) -> list[Any] | None:
    """A cell as a list, also where it is JSON of one; None where it is none."""
    value = unpacked(value)
    return list(value) if isinstance(value, (list, tuple)) else None


def text_of(item: Any) -> Any:
    """The text of an answer that is an object with its score; an answer of another kind as it is."""
    if isinstance(item, Mapping) and "role" not in item and "from" not in item:
        return next((item[name] for name in ITEM_TEXTS if name in item), item)
    return item


def _of_item(item: Any, names: tuple[str, ...]) -> float | None:
    if not isinstance(item, Mapping):
        return None
    return next((number for name in names if (number := number_of(item.get(name))) is not None), None)
