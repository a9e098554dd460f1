"""Converts every row of a file to the lab's form, and collects the report: rows left out, columns passed over, assumptions made.

``recognition.py`` decides which form a file has; ``forms.py`` and ``preference_forms.py`` convert one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.data.left_out import LeftOut, NotUsable
from lab.data.notes import Note, note
from lab.data.recognition import COLUMNS, Form, Recognised
from lab.data.refusals import nothing_left
from lab.data.rows import Rows
from lab.data.turns import number_of, returned_by_tools
from lab.data.written_turns import written_turns

OF_MESSAGES = (Form.MESSAGES, Form.TRANSCRIPTS)
WITHOUT_CONTEXT = (*OF_MESSAGES, Form.CONVERSATIONS, Form.WHOLE_CHATS)
"""Forms whose messages are all that was said: ``input`` and its like beside them repeat it."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Shaped:
    """The rows that can be used, and the report of those that cannot (those that the file's reader left out, too)."""

    form: Form
    rows: list[Row]
    left_out: list[LeftOut]
    lines: list[int]
    """Where each row that can be used begins in the file; several rows may come from one line."""
    passed_over: tuple[str, ...] = ()
    """The file's columns that nothing was read from."""
    notes: tuple[Note, ...] = ()
    """What was assumed."""


def shape_rows(rows: Rows, match: Recognised, shape: Callable[[Row], list[Row]], more: tuple[Note, ...] = ()) -> Shaped:
    """Every row through ``shape``; DatasetError where none is left."""
    kept: list[Row] = []
    kept_lines: list[int] = []
    left_out = list(rows.left_out)
    counts: Counter[str] = Counter()
    for line, row in numbered(rows):
        try:
            view = match.view(row)
            if match.form in WITHOUT_CONTEXT:
                view = {
                    name: value
                    for name, value in view.items()
                    if name not in ("context", "passage", "input", "history")
                }
            shaped = shape(view)
        except NotUsable as reason:
            left_out.append(reason.at(line))
            continue
        kept += shaped
        kept_lines += [line] * len(shaped)
        _observe(row, match, counts)
    if not kept and not rows.more:
        raise nothing_left(rows, left_out, tuple(match.names.values()) or COLUMNS[match.form])
    notes = tuple(note(key, count=count) for key, count in sorted(counts.items()))
    report = sorted(left_out, key=lambda row: row.line)
    return Shaped(
        match.form,
        kept,
        report,
        kept_lines,
        passed_over(rows, match),
        (*rows.notes, *match.notes, *more, *notes),
    )


def _observe(row: Row, match: Recognised, counts: Counter[str]) -> None:
    """Count the assumptions about a row: messages written as text, tool messages read as the user's, scores that contradict the choice."""
    seen = set()
    for theirs in match.names.values():
        value = row.get(theirs)
        written = written_turns(value) if isinstance(value, str) else None
        if written is not None:
            seen.add(f"written_{written[1]}")
        if (not isinstance(value, str) and returned_by_tools(value)) or (
            written is not None and returned_by_tools(written[0])
        ):
            seen.add("tool_turns")
    counts.update(seen)
    if match.scores is not None:
        chosen, rejected = (number_of(row.get(name)) for name in match.scores)
        if chosen is not None and rejected is not None and chosen <= rejected:
            counts["scores_equal" if chosen == rejected else "scores_reversed"] += 1


def passed_over(rows: Rows, match: Recognised) -> tuple[str, ...]:
    """The columns that are not read, with those that a form of whole messages ignores."""
    unread = (
        {"context", "passage", "input", "history"} - set(match.names.values())
        if match.form in WITHOUT_CONTEXT
        else set()
    )
    return tuple(name for name in rows.columns if name not in match.used or name in unread) + rows.hidden


def numbered(rows: Rows) -> list[tuple[int, Row]]:
    """Each row with the line on which it begins."""
    return list(zip(rows.lines or range(1, len(rows.rows) + 1), rows.rows, strict=True))
