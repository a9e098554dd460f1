"""Errors for files that cannot be used as intended: the reason, and the line to type or the place in the lab that reads such a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lab.data.columns import LIKELY, guess_columns, plain
from lab.data.file_names import typed
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.recognition import COLUMNS, PLAIN_PREFERENCES, Form, Recognised, recognise
from lab.data.rows import Rows
from lab.data.turns import MESSAGES, by_turns
from lab.errors import DatasetError

ONE_ANSWER = (Form.MESSAGES, Form.TRANSCRIPTS, Form.DEMONSTRATIONS, Form.ALPACA)
NO_RESPONSES = (Form.OPTIONS, Form.QUESTIONS, Form.PROBLEMS, Form.PROMPTS)
HOLDS: dict[str, tuple[tuple[str, tuple[Form, ...]], ...]] = {
    "completions": (
        ("preferences", PLAIN_PREFERENCES),
        ("votes", (Form.VOTES,)),
        ("ranked", (Form.RANKED,)),
        ("pairs", (Form.PAIRS,)),
    ),
    "preferences": (("pairs", (Form.PAIRS,)), ("demonstrations", ONE_ANSWER), ("prompts", NO_RESPONSES)),
    "pairs": (("demonstrations", ONE_ANSWER), ("prompts", NO_RESPONSES)),
}
"""By what was wanted: what a file may hold instead, which something else of the lab reads."""
REASONS = 3
JUDGED = (*PLAIN_PREFERENCES, Form.VOTES, Form.RANKED)
TWO_SIDES = ("prompt", "first", "second")
RESPONSE_WORDS = ("chosen", "rejected", "respon", "complet", "generat", "repl", "candidate")
READ_TOO = {"prompts": ("answer", "system"), "completions": ("system",), "preferences": ("system",)}
"""By what was wanted: columns that are read where they are there."""
TAKE_CHOSEN = {
    Form.PREFERENCES: {"completion": "chosen"},
    Form.CONVERSATIONS: {"prompt": "conversations", "completion": "chosen"},
    Form.ALPACA_PREFERENCES: {"output": "chosen"},
    Form.WHOLE_CHATS: {"messages": "chosen"},
}
"""The mapping by which the chosen side of preferences is learnt as a demonstration."""


def no_form(rows: Rows) -> DatasetError:
    """The columns fit no known form."""
    known = "; ".join(dict.fromkeys(", ".join(columns) for columns in COLUMNS.values()))
    return DatasetError("dataset_form", path=rows.path, found=_found(rows), known=known, **_mend(rows, TWO_SIDES))


def other_use(rows: Rows, wanted: tuple[str, ...], use: str) -> DatasetError:
    """The rows are no ``use``: what they are, where that is known; else the missing column and the likeliest mapping."""
    for holds, forms in HOLDS.get(use, ()):
        match = recognise(rows, forms)
        if match is None or _mapped(rows, match, wanted) or (holds == "prompts" and _may_hold_responses(rows, match)):
            continue
        if match.places is not None:  # the sides are only named there: learnt as completions they would be their names
            holds = "votes"
        mapping = {"winner": "COLUMN"} if holds == "pairs" else dict(TAKE_CHOSEN.get(match.form, {}))
        if match.form is Form.CONVERSATIONS:
            mapping["prompt"] = match.names["conversations"]
        return DatasetError(
            f"dataset_holds_{holds}", path=rows.path, found=_found(rows), line=typed(str(rows.path), mapping)
        )
    missing = next((name for name in wanted if name not in rows.columns), wanted[-1])
    return DatasetError(
        "dataset_columns",
        path=rows.path,
        missing=missing,
        found=_found(rows),
        wanted=", ".join(wanted),
        **_mend(rows, wanted, READ_TOO.get(use, ())),
    )


def nothing_left(rows: Rows, left_out: Iterable[LeftOut], columns: tuple[str, ...]) -> DatasetError:
    """Every row was left out: the reasons, the most frequent first."""
    left_out = list(left_out)
    whys = {row.why for row in left_out}
    count = len(rows.rows)
    if whys == {WhyLeftOut.EQUAL_SIDES}:
        return DatasetError("dataset_all_equal", path=rows.path, count=count)
    if whys == {WhyLeftOut.SEVERAL_TURNS}:
        return DatasetError("dataset_all_conversations", path=rows.path, count=count)
    if whys <= {WhyLeftOut.EMPTY, WhyLeftOut.MISSING}:
        empty = [name for name, _ in Counter(row.detail for row in left_out if row.detail).most_common()]
        return DatasetError("dataset_all_empty", path=rows.path, count=count, columns=", ".join(empty or columns))
    common = Counter((row.why, row.detail) for row in left_out).most_common(REASONS)
    reasons = [{"say": f"left_out.{why}", "detail": detail, "count": times} for (why, detail), times in common]
    return DatasetError("dataset_none_usable", path=rows.path, count=count, reasons=reasons)


def _mend(rows: Rows, wanted: tuple[str, ...], read_too: tuple[str, ...] = ()) -> dict[str, Any]:
    """``line`` to type, and ``proposal`` (the lab's name → the file's) for a page's choosers; what is read where it is there (``answer``)
    is proposed where a column is called so. Where no name is known, one answer a row is enough, and one column holds conversations, the line names these."""
    proposal = guess_columns(rows.columns, wanted)
    free = [name for name in rows.columns if name not in proposal.values()]
    more = guess_columns(free, read_too)
    proposal |= {ours: theirs for ours, theirs in more.items() if plain(theirs) in (ours, *LIKELY.get(ours, ()))}
    shown = dict(proposal)
    talks = [name for name in rows.columns if all(_talk(row.get(name)) for row in rows.rows[:REASONS])]
    if not proposal and len(talks) == 1 and len(wanted) < len(TWO_SIDES):
        return {"line": typed(str(rows.path), {MESSAGES: talks[0]}), "proposal": {}}
    for name in wanted:
        if name not in rows.columns and name not in shown:
            shown[name] = "COLUMN"
    return {"line": typed(str(rows.path), shown), "proposal": proposal}


def _talk(value: Any) -> bool:
    """Whether a cell is a conversation: messages, or texts of user and assistant by turns."""
    return by_turns(value) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _mapped(rows: Rows, match: Recognised, wanted: tuple[str, ...]) -> bool:
    """Whether columns that the found form does not read look like all that is missing, so that a mapping is likelier meant."""
    free = [name for name in rows.columns if name not in match.used]
    missing = [name for name in wanted if name not in rows.columns]
    guesses = guess_columns(free, missing)
    if match.form in JUDGED:  # a column of which only a part of the name fits is one of a response: “response_0”
        guesses = {ours: theirs for ours, theirs in guesses.items() if plain(theirs) in LIKELY.get(ours, ())}
    return guesses.keys() == set(missing)


def _may_hold_responses(rows: Rows, match: Recognised) -> bool:
    """Whether a column that the found form does not read is called as responses are, or the prompts are trees of replies."""
    free = [name for name in rows.columns if name not in match.used]
    called = any(word in plain(name) for name in free for word in RESPONSE_WORDS)
    return called or any(isinstance(row.get(name), dict) for row in rows.rows[:REASONS] for name in match.used)


def _found(rows: Rows) -> str:
    return ", ".join(rows.columns)
