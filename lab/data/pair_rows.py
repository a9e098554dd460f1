"""Rows of a file as pairs to be judged: two responses as they are (``prompt, first, second``), or a file of preferences whose
chosen and rejected become the two, and the known right answer where the file is to be gold.

Nothing is stored (``lab/annotation/pairs.py``). A pair's id comes from its texts, so the same pair in two rows is one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.core.notes import Note
from lab.core.preferences import (
    CATEGORY,
    LONGEST_OWN,
    LONGEST_TEXT,
    MOST_OWN,
    OWN_ID,
    Choice,
    Message,
    Own,
    Pair,
    Prompt,
    Response,
    make_pair,
)
from lab.data.columns import with_columns
from lab.data.forms import detect_form
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.preference_forms import PREFERENCE_FORMS, shape_pairs, shape_preferences
from lab.data.recognition import Form
from lab.data.refusals import nothing_left
from lab.data.rows import MOST_BYTES, Rows, read_batches
from lab.data.shaping import Shaped
from lab.data.turns import text
from lab.data.vote_rows import Voted
from lab.errors import DatasetError

PREFERENCES_ONLY = tuple(form for form in PREFERENCE_FORMS if form is not Form.VOTES)
IDS = ("own_id", "pair_id", "id")
"""Columns that may hold a file's own id of a pair; the first that is there counts."""
RESERVED = {
    "prompt", "chosen", "rejected", "pair_id", "annotators", "n_votes", "agreement", "strength", "source_chosen",
    "source_rejected", "edited_by", "adjudicated_by", "dataset_version", "messages", "own",
}  # fmt: skip
"""The lab's own columns of a preference: one of a file with such a name is kept as ``own_NAME``."""
LONGEST_SOURCE = 400


class Known(StrEnum):
    """How the chosen response of a file of preferences is used."""

    RESPONSES = "responses"
    """Not at all: both are just responses."""
    GOLD = "gold"
    """As the right answer, by which annotators are measured."""


@dataclass(frozen=True)
class Vote:
    """A choice that a file records: by the response's identity, as ``Judgement.choice`` is."""

    line: int
    pair_id: str
    choice: Choice
    strength: int | None = None
    """1 to 3, where the file has degrees."""
    annotator: str = ""
    """Who, where the file says so."""


@dataclass(frozen=True)
class FoundPairs:
    """The pairs of a file, each with the line it begins on, and what was left out and why."""

    form: Form
    pairs: list[tuple[int, Pair]]
    left_out: list[LeftOut]
    votes: tuple[Vote, ...] = ()
    """What the file itself says of its pairs, where it is one of votes: several of one pair are several here."""
    passed_over: tuple[str, ...] = ()
    """The file's columns that nothing was read from."""
    notes: tuple[Note, ...] = ()
    """What was assumed."""


def rows_in_memory(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows that were typed in rather than read from a file. Raises DatasetError where there are none."""
    copies = [dict(row) for row in rows]
    if not copies:
        raise DatasetError("pairs_none_typed")
    names = tuple(dict.fromkeys(name for row in copies for name in row))
    return Rows(Path("typed"), copies, names, "", [], list(range(1, len(copies) + 1)))


def find_pairs(rows: Rows, *, columns: Mapping[str, str] | None = None, known: Known = Known.RESPONSES) -> FoundPairs:
    """The pairs in ``rows``; ``columns`` maps the lab's names to the file's.

    Raises DatasetError where the file has no form of pairs, and where no row can be used.
    """
    return PairFinder(columns, known).find(rows)


def pair_batches(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    known: Known = Known.RESPONSES,
    own: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    on_rows: Callable[[Rows], None] = lambda rows: None,
) -> Iterator[FoundPairs]:
    """The pairs of a file, some thousand at a time: each pair once in the whole file. What is kept in memory is one batch and the ids.

    ``on_rows`` sees each batch of rows before it is looked at. Raises as ``read_rows`` and ``find_pairs`` do, while it is read; at the
    end where the file has no pair at all. Completions that are marked one a row (KTO) are paired within a batch.
    """
    finder = PairFinder(columns, known, own)
    rows = None
    left_out: list[LeftOut] = []
    for rows in read_batches(path, most_bytes=most_bytes):
        on_rows(rows)
        pairs = finder.find(rows)
        left_out += pairs.left_out if not finder.lines else []
        yield pairs
    if rows is not None and not finder.lines:
        raise nothing_left(rows, left_out, rows.columns)


class PairFinder:
    """Finds the pairs of a file in one batch of its rows after the other: each pair once, each id of the file's own for one pair."""

    def __init__(
        self, columns: Mapping[str, str] | None = None, known: Known = Known.RESPONSES, own: Sequence[str] = ()
    ) -> None:
        """``own`` names the file's columns that are kept beside each pair; its id and its ``category`` always are."""
        self.columns, self.own = columns, tuple(own)
        self.known = known
        self.lines: dict[str, int] = {}
        """The id of each pair, and the line on which it stood first."""
        self._owners: dict[str, int] = {}

    def find(self, rows: Rows) -> FoundPairs:
        """The pairs of these rows that were in none before. Raises DatasetError as ``find_pairs`` does."""
        theirs = dict(rows.numbered)
        columns = rows.columns
        rows = with_columns(rows, self.columns) if self.columns else rows
        by_line = dict(rows.numbered)
        if detect_form(rows) in PREFERENCES_ONLY:
            shaped = shape_preferences(rows, contradicted=self.known is Known.RESPONSES)
            made = _from_preferences(shaped, by_line, self.known)
        else:
            shaped = shape_pairs(rows)
            made = _from_pairs(shaped)
        pairs: list[tuple[int, Pair]] = []
        votes: list[Vote] = []
        left_out = list(shaped.left_out)
        for line, pair, voted in made:
            if isinstance(pair, LeftOut):
                left_out.append(pair)
                continue
            new = pair.id not in self.lines
            reason = self._seen(line, pair, by_line[line])
            if voted is not None and (reason is None or not new):  # a further vote on a pair is one, too
                votes.append(Vote(line, pair.id, voted.choice, voted.strength, voted.annotator))
            elif reason is not None:
                left_out.append(reason)
            if new and reason is None:
                pairs.append((line, pair.model_copy(update={"own": own_columns(theirs[line], self.own)})))
        kept = {*self.own, "category", *[name for name in IDS if name in columns][:1]}
        unread = [name for name in IDS if name in columns and name not in shaped.passed_over]
        passed_over = tuple(name for name in (*shaped.passed_over, *unread) if name not in kept)
        report = sorted(left_out, key=lambda row: row.line)
        return FoundPairs(shaped.form, pairs, report, tuple(votes), passed_over, shaped.notes)

    def _seen(self, line: int, pair: Pair, row: Mapping[str, Any]) -> LeftOut | None:
        """Why a pair is left out: it occurred before, or another pair has its id."""
        theirs = _own_id(row)
        if pair.id in self.lines:
            return LeftOut(line, WhyLeftOut.SAME_PAIR, str(self.lines[pair.id]))
        if theirs and self._owners.setdefault(theirs, line) != line:
            return LeftOut(line, WhyLeftOut.ID_TWICE, theirs[:80])
        self.lines[pair.id] = line
        return None


def _own_id(row: Mapping[str, Any]) -> str:
    return next((name for column in IDS if (name := text(row.get(column)).strip())), "")


def own_columns(row: Mapping[str, Any], chosen: Sequence[str] = ()) -> Own:
    """What is kept of a row beside its pair: its own id, its category, and the chosen columns that hold text, a number or yes and no.

    A longer text is cut at LONGEST_OWN; what is none of these (a list, a table) is kept as JSON.
    """
    own: dict[str, Any] = {}
    if identity := _own_id(row):
        own[OWN_ID] = identity[:LONGEST_OWN]
    if category := text(row.get("category")).strip():
        own[CATEGORY] = category[:LONGEST_OWN]
    for name in chosen[: MOST_OWN - len(own)]:
        value = row.get(name)
        if name in ("category", *IDS) or value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        plain = (
            value if isinstance(value, str | bool | int | float) else json.dumps(value, ensure_ascii=False, default=str)
        )
        own[f"own_{name}" if name in RESERVED else name] = plain[:LONGEST_OWN] if isinstance(plain, str) else plain
    return own


Made = Iterator[tuple[int, Pair | LeftOut, Voted | None]]


def _from_preferences(shaped: Shaped, by_line: Mapping[int, Mapping[str, Any]], known: Known) -> Made:
    for line, row in zip(shaped.lines, shaped.rows, strict=True):
        if (long := _too_long(line, row, "chosen", "rejected")) is not None:
            yield line, long, None
            continue
        chosen, rejected = (
            Response(text=row[side], source=_source(by_line[line].get(f"source_{side}")) or side)
            for side in ("chosen", "rejected")
        )
        gold = chosen if known is Known.GOLD else None
        yield line, make_pair(_prompt(row["prompt"]), chosen, rejected, gold), None


def _from_pairs(shaped: Shaped) -> Made:
    for line, row in zip(shaped.lines, shaped.rows, strict=True):
        if (long := _too_long(line, row, "first", "second")) is not None:
            yield line, long, None
            continue
        first, second = (
            Response(text=row[side], source=_source(row.get(f"{side}_source"))) for side in ("first", "second")
        )
        gold = text(row.get("gold")).strip().lower()
        if gold not in ("", Choice.FIRST, Choice.SECOND):
            yield line, LeftOut(line, WhyLeftOut.NO_CHOICE, gold[:40]), None
            continue
        better = {Choice.FIRST: first, Choice.SECOND: second}[Choice(gold)] if gold else None
        pair = make_pair(_prompt(row["prompt"]), first, second, better)
        voted: Voted | None = row.get("voted")
        if voted is not None and pair.first != first:  # a pair has its responses in an order of its own
            voted = replace(voted, choice=voted.choice.of_other)
        yield line, pair, voted


def _prompt(value: str | list[dict[str, str]]) -> Prompt:
    if isinstance(value, str):
        return value
    return tuple(Message.model_validate(message) for message in value)


def _too_long(line: int, row: Mapping[str, Any], *sides: str) -> LeftOut | None:
    for column in ("prompt", *sides):
        value = row[column]
        parts = [value] if isinstance(value, str) else [message["content"] for message in value]
        if any(len(part) > LONGEST_TEXT for part in parts):
            return LeftOut(line, WhyLeftOut.TOO_LONG, column)
    return None


def _source(value: Any) -> str | None:
    return text(value).strip()[:LONGEST_SOURCE] or None
