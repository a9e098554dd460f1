"""Converts every row of a file to the lab's form, and collects the report: rows left out, columns passed over, assumptions made.

``recognition.py`` decides which form a file has; ``forms.py`` and ``preference_forms.py`` convert one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.core.notes import Note, note
from lab.data.left_out import LeftOut, NotUsable, WhyLeftOut
from lab.data.option_rows import answer_column
from lab.data.prompt_rows import CONTEXTS, HISTORY
from lab.data.ranked_rows import unscored
from lab.data.recognition import COLUMNS, Form, Recognised
from lab.data.refusals import nothing_left
from lab.data.rows import Rows
from lab.data.turns import by_turns, number_of, returned_by_tools
from lab.data.written_turns import written_turns

OF_MESSAGES = (Form.MESSAGES, Form.TRANSCRIPTS)
WITHOUT_CONTEXT = (*OF_MESSAGES, Form.CONVERSATIONS, Form.WHOLE_CHATS)
BESIDE = {*CONTEXTS, HISTORY}
"""Forms whose messages are all that was said, and the columns that repeat it beside them."""

OF_COLUMNS = (
    WhyLeftOut.MISSING, WhyLeftOut.EMPTY, WhyLeftOut.NOT_TEXT, WhyLeftOut.NOT_ONE_ANSWER, WhyLeftOut.IMAGES, WhyLeftOut.TOOLS,
    WhyLeftOut.OTHER_PROMPT,
)  # fmt: skip
"""Reasons whose detail is a column."""
PROMPT_NAMES = ("instruction", "question", "conversations")
"""What forms call the prompt."""

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


def shape_rows(
    rows: Rows,
    match: Recognised,
    shape: Callable[[Row], list[Row]],
    more: tuple[Note, ...] = (),
    *,
    sides: bool = False,
) -> Shaped:
    """Every row through ``shape``; DatasetError where none is left. With ``sides``, what the scores of both sides say is counted."""
    kept: list[Row] = []
    kept_lines: list[int] = []
    left_out = list(rows.left_out)
    counts: Counter[str] = Counter()
    for line, row in rows.numbered:
        try:
            view = match.view(row)
            if match.form in WITHOUT_CONTEXT:
                view = {name: value for name, value in view.items() if name not in BESIDE}
            shaped = shape(view)
        except NotUsable as reason:
            left_out.append(LeftOut(line, reason.why, _theirs(reason, match)))
            continue
        kept += shaped
        kept_lines += [line] * len(shaped)
        _observe(row, match, counts, sides)
    if not kept and not rows.more:
        raise nothing_left(rows, left_out, tuple(match.names.values()) or COLUMNS[match.form])
    notes = tuple(note(key, count=count) for key, count in sorted(counts.items()) if count)
    report = sorted(left_out, key=lambda row: row.line)
    return Shaped(
        match.form,
        kept,
        report,
        kept_lines,
        passed_over(rows, match),
        (*rows.notes, *match.notes, *more, *notes),
    )


def _theirs(reason: NotUsable, match: Recognised) -> str:
    """A reason's detail; where it is a column, as the file calls it."""
    name = reason.detail
    if reason.why not in OF_COLUMNS or name in match.names.values():
        return name
    if name == "answer" and match.form is Form.OPTIONS:
        return answer_column(match.used) or name
    other = PROMPT_NAMES if name == "prompt" else ()
    return next((match.names[each] for each in (name, *other) if each in match.names), name)


def _observe(row: Row, match: Recognised, counts: Counter[str], sides: bool) -> None:
    """Count the assumptions about a row: messages written as text, tool messages read as the user's, scores of both sides, unscored answers."""
    seen = set()
    for theirs in match.names.values():
        value = row.get(theirs)
        if match.names.get("messages") == theirs and by_turns(value):
            seen.add("by_turns")
        written = written_turns(value) if isinstance(value, str) else None
        if written is not None:
            seen.add(f"written_{written[1]}")
        if (not isinstance(value, str) and returned_by_tools(value)) or (
            written is not None and returned_by_tools(written[0])
        ):
            seen.add("tool_turns")
    counts.update(seen)
    if sides and (lead := chosen_leads(row, match)) is not None and lead <= 0:
        counts["scores_reversed" if lead < 0 else "scores_equal"] += 1
    if sides and match.form is Form.RANKED and match.lists and match.best is None:
        counts["unscored"] += unscored(row, match.lists)


def chosen_leads(row: Row, match: Recognised) -> float | None:
    """By how much the file itself says that chosen is better than rejected; None where it does not say."""
    numbers = [number_of(row.get(name)) for name in match.scores]
    if not numbers or any(number is None for number in numbers):
        return None
    first, *rest = [number for number in numbers if number is not None]
    return first - sum(rest)


def passed_over(rows: Rows, match: Recognised) -> tuple[str, ...]:
    """The columns that are not read, with those that a form of whole messages ignores."""
    unread = BESIDE - set(match.names.values()) if match.form in WITHOUT_CONTEXT else set()
    return tuple(name for name in rows.columns if name not in match.used or name in unread) + rows.hidden
