"""Preferences from one marked completion a row (KTO, thumbs, ratings): the good and the bad ones of a prompt make pairs.

Of yes and no, good and bad meet in turn; of grades, the best one meets each that is lower. The same completion of a prompt counts once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.data.labels import Labels
from lab.data.left_out import LeftOut, NotUsable, WhyLeftOut

Row = dict[str, Any]
Marked = tuple[int, Row, float]
"""The line, ``prompt, completion``, and how good it is."""


def labelled_pairs(
    rows: Iterable[tuple[int, Row]], shape: Callable[[Row], Row], labels: Labels
) -> tuple[list[tuple[int, Row]], list[LeftOut]]:
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
    pairs: list[tuple[int, Row]] = []
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
        goods, bads = ([marked for marked in group if bool(marked[2]) is good] for good in (True, False))
        count = max(len(goods), len(bads)) if goods and bads else 0
        pairs = [(goods[place % len(goods)], bads[place % len(bads)]) for place in range(count)]
    return [(better, worse) for better, worse in pairs if _text(better) != _text(worse)]


def _text(marked: Marked) -> str:
    return str(marked[1]["completion"]).strip()


def _preference(better: Mapping[str, Any], worse: Mapping[str, Any]) -> Row:
    return {"prompt": better["prompt"], "chosen": better["completion"], "rejected": worse["completion"]}
