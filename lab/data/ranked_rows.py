"""Preferences from a list of answers that are ranked or scored (UltraFeedback, Nectar): the best against each that is lower.

Equal ones make no pair. Rows of one marked answer each are ``labels.py``'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import number_of

Row = Mapping[str, Any]

LISTS = ("responses", "completions", "answers", "generations", "candidates", "outputs", "response_list")
SCORES = ("scores", "ratings", "rewards", "score", "rating")
RANKS = ("rankings", "ranks", "ranking", "rank")
ITEM_TEXTS = ("response", "text", "answer", "content", "completion", "output", "generation")
ITEM_SCORES = ("overall_score", "score", "rating", "reward", "pm_score", "fine-grained_score")
ITEM_RANKS = ("rank", "ranking")


def list_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns of the answers and of their scores or ranks; empty where there is no list of answers."""
    names = list(columns)
    answers = next((name for name in LISTS if name in names), None)
    if answers is None:
        return ()
    worth = next((name for name in (*SCORES, *RANKS) if name in names), None)
    return (answers,) if worth is None else (answers, worth)


def ranked(row: Row, columns: tuple[str, ...]) -> list[tuple[Any, float]]:
    """``(answer, worth)…`` from the best on. Raises NotUsable where scores or ranks do not fit.

    ``worth`` is the score, or the rank with its sign turned.
    """
    answers = _list(row.get(columns[0]))
    if answers is None or len(answers) < 2:
        raise NotUsable(WhyLeftOut.NO_SCORES if answers else WhyLeftOut.NOT_TEXT, columns[0])
    if len(columns) > 1:
        worths = [number_of(value) for value in _list(row.get(columns[1])) or ()]
        if len(worths) != len(answers):
            raise NotUsable(WhyLeftOut.NO_SCORES, columns[1])
        down = columns[1] in RANKS
    else:
        scores = [_of_item(item, ITEM_SCORES) for item in answers]
        ranks = [_of_item(item, ITEM_RANKS) for item in answers]
        down = any(value is None for value in scores)
        worths = ranks if down else scores
    if any(value is None for value in worths):
        raise NotUsable(WhyLeftOut.NO_SCORES, columns[-1])
    pairs = [
        (_text_of(answer), -value if down else value)
        for answer, value in zip(answers, worths, strict=True)
        if value is not None
    ]
    return sorted(pairs, key=lambda pair: -pair[1])


def best_against_rest(answers: list[tuple[Any, float]]) -> list[tuple[Any, Any]]:
    """``(better, worse)…``: the first against each that is lower. Raises NotUsable where all are equal."""
    best, worth = answers[0]
    pairs = [(best, answer) for answer, lower in answers[1:] if lower < worth]
    if not pairs:
        raise NotUsable(WhyLeftOut.TIE)
    return pairs


def _list(value: Any) -> list[Any] | None:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return list(value) if isinstance(value, (list, tuple)) else None


def _text_of(item: Any) -> Any:
    if isinstance(item, Mapping) and "role" not in item and "from" not in item:
        return next((item[name] for name in ITEM_TEXTS if name in item), item)
    return item


def _of_item(item: Any, names: tuple[str, ...]) -> float | None:
    if not isinstance(item, Mapping):
        return None
    return next((number for name in names if (number := number_of(item.get(name))) is not None), None)
