"""Rows of a file as pairs to be judged: two responses as they are (``prompt, first, second``), or a file of preferences whose
chosen and rejected become the two, and the known right answer where the file is to be gold.

Nothing is stored (``lab/annotation/pairs.py``). A pair's id comes from its texts, so the same pair in two rows is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.core.preferences import LONGEST_TEXT, Choice, Message, Pair, Prompt, Response, make_pair
from lab.data.forms import (
    PREFERENCE_FORMS,
    Form,
    Shaped,
    detect_form,
    shape_pairs,
    shape_preferences,
    with_columns,
)
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.rows import Rows
from lab.data.turns import text
from lab.errors import DatasetError

ALIASES = {
    "first": ("response_a", "response_1", "answer_a", "output_1", "completion_a"),
    "second": ("response_b", "response_2", "answer_b", "output_2", "completion_b"),
    "first_source": ("source_a", "source_1", "model_a", "model_1"),
    "second_source": ("source_b", "source_2", "model_b", "model_2"),
}
"""What other tools call the columns of a pair; taken for ours where ours are not there."""
IDS = ("pair_id", "id")
LONGEST_SOURCE = 400


class Known(StrEnum):
    """What the chosen one of a file of preferences is taken for."""

    RESPONSES = "responses"
    """Nothing: the two are just two responses."""
    GOLD = "gold"
    """The right answer, by which annotators are measured."""


@dataclass(frozen=True)
class FoundPairs:
    """The pairs of a file, each with the line it begins on, and what was left out and why."""

    form: Form
    pairs: list[tuple[int, Pair]]
    left_out: list[LeftOut]


def rows_in_memory(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows that were typed in rather than read from a file. Raises DatasetError where there are none."""
    found = [dict(row) for row in rows]
    if not found:
        raise DatasetError("pairs_none_typed")
    names = tuple(dict.fromkeys(name for row in found for name in row))
    return Rows(Path("typed"), found, names, "", [], list(range(1, len(found) + 1)))


def find_pairs(rows: Rows, *, columns: Mapping[str, str] | None = None, known: Known = Known.RESPONSES) -> FoundPairs:
    """The pairs in ``rows``; ``columns`` maps the lab's names to the file's.

    Raises DatasetError where the file has neither form, and where no row can be used.
    """
    rows = with_columns(rows, columns) if columns else rows
    if aliases := _aliases(rows):
        rows = with_columns(rows, aliases)
    by_line = dict(zip(rows.lines or range(1, len(rows.rows) + 1), rows.rows, strict=True))
    form = detect_form(rows)
    if form in PREFERENCE_FORMS:
        shaped = shape_preferences(rows)
        made = _from_preferences(shaped, by_line, known)
    else:
        shaped = shape_pairs(rows)
        made = _from_pairs(shaped)
    return _once(shaped, made, by_line)


def _aliases(rows: Rows) -> dict[str, str]:
    """The mapping for a file that calls the two responses otherwise; empty where it needs none."""
    there = {ours: next((name for name in names if name in rows.columns), None) for ours, names in ALIASES.items()}
    if {"first", "second", "chosen"} & set(rows.columns) or not (there["first"] and there["second"]):
        return {}
    return {ours: name for ours, name in there.items() if name is not None and ours not in rows.columns}


Made = Iterator[tuple[int, Pair | LeftOut]]


def _from_preferences(shaped: Shaped, by_line: Mapping[int, Mapping[str, Any]], known: Known) -> Made:
    for line, row in zip(shaped.lines, shaped.rows, strict=True):
        texts = {"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]}
        if (long := _too_long(line, texts)) is not None:
            yield line, long
            continue
        sources = [_source(by_line[line].get(f"source_{side}")) or side for side in ("chosen", "rejected")]
        chosen, rejected = (
            Response(text=row["chosen"], source=sources[0]),
            Response(text=row["rejected"], source=sources[1]),
        )
        yield line, make_pair(_prompt(row["prompt"]), chosen, rejected, chosen if known is Known.GOLD else None)


def _from_pairs(shaped: Shaped) -> Made:
    for line, row in zip(shaped.lines, shaped.rows, strict=True):
        if (long := _too_long(line, {name: row[name] for name in ("prompt", "first", "second")})) is not None:
            yield line, long
            continue
        first, second = (
            Response(text=row[side], source=_source(row.get(f"{side}_source"))) for side in ("first", "second")
        )
        gold = text(row.get("gold")).strip().lower()
        if gold not in ("", Choice.FIRST, Choice.SECOND):
            yield line, LeftOut(line, WhyLeftOut.NO_CHOICE, gold[:40])
            continue
        better = {Choice.FIRST: first, Choice.SECOND: second}[Choice(gold)] if gold else None
        yield line, make_pair(_prompt(row["prompt"]), first, second, better)


def _once(shaped: Shaped, made: Made, by_line: Mapping[int, Mapping[str, Any]]) -> FoundPairs:
    """Each pair once, and each id of the file's own for one pair only."""
    pairs: list[tuple[int, Pair]] = []
    left_out = list(shaped.left_out)
    lines: dict[str, int] = {}
    owners: dict[str, str] = {}
    for line, found in made:
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        theirs = next((name for column in IDS if (name := text(by_line[line].get(column)).strip())), "")
        if found.id in lines:
            left_out.append(LeftOut(line, WhyLeftOut.SAME_PAIR, str(lines[found.id])))
        elif theirs and owners.setdefault(theirs, found.id) != found.id:
            left_out.append(LeftOut(line, WhyLeftOut.ID_TWICE, theirs[:80]))
        else:
            lines[found.id] = line
            pairs.append((line, found))
    return FoundPairs(shaped.form, pairs, sorted(left_out, key=lambda row: row.line))


def _prompt(value: str | list[dict[str, str]]) -> Prompt:
    if isinstance(value, str):
        return value
    return tuple(Message.model_validate(message) for message in value)


def _too_long(line: int, texts: Mapping[str, str | list[dict[str, str]]]) -> LeftOut | None:
    for column, value in texts.items():
        parts = [value] if isinstance(value, str) else [message["content"] for message in value]
        if any(len(part) > LONGEST_TEXT for part in parts):
            return LeftOut(line, WhyLeftOut.TOO_LONG, column)
    return None


def _source(value: Any) -> str | None:
    return text(value).strip()[:LONGEST_SOURCE] or None
