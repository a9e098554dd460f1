"""Recognises which known form a file has, and which of its columns correspond to the lab's. ``forms.py`` converts the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.core.notes import Note, note
from lab.data.best_rows import Best, Places, answer_at, best_of, places_of
from lab.data.labels import Labels, labels_of
from lab.data.left_out import NotUsable
from lab.data.option_rows import RIGHT, answer_column, option_columns
from lab.data.option_rows import counts_from as options_count_from
from lab.data.prompt_rows import MEANINGS
from lab.data.ranked_rows import has_worth, list_columns
from lab.data.rows import Rows
from lab.data.turns import ASSISTANT, USER, turns
from lab.data.vote_rows import PAIRED, Layout, has_votes, layout_of, settled
from lab.data.written_turns import written_turns

Row = dict[str, Any]

LOOKED_AT = 50
"""How many rows are examined where the columns alone do not decide."""


class Form(StrEnum):
    """A known form of rows, told by its columns."""

    PREFERENCES = "preferences"
    PAIRS = "pairs"
    CONVERSATIONS = "conversations"
    WHOLE_CHATS = "whole_chats"
    ALPACA_PREFERENCES = "alpaca_preferences"
    VOTES = "votes"
    RANKED = "ranked"
    LABELLED = "labelled"
    OPTIONS = "options"
    MESSAGES = "messages"
    TRANSCRIPTS = "transcripts"
    ALPACA = "alpaca"
    DEMONSTRATIONS = "demonstrations"
    PROBLEMS = "problems"
    QUESTIONS = "questions"
    PROMPTS = "prompts"


COLUMNS: dict[Form, tuple[str, ...]] = {
    Form.PREFERENCES: ("prompt", "chosen", "rejected"),
    Form.CONVERSATIONS: ("conversations", "chosen", "rejected"),
    Form.ALPACA_PREFERENCES: ("instruction", "chosen", "rejected"),
    Form.WHOLE_CHATS: ("chosen", "rejected"),
    Form.VOTES: ("first", "second", "winner"),
    Form.PAIRS: ("prompt", "first", "second"),
    Form.RANKED: ("prompt", "responses"),
    Form.LABELLED: ("prompt", "completion", "label"),
    Form.OPTIONS: ("question", "choices"),
    Form.MESSAGES: ("messages",),
    Form.DEMONSTRATIONS: ("prompt", "completion"),
    Form.QUESTIONS: ("question", "answer"),
    Form.PROBLEMS: ("prompt", "answer"),
    Form.ALPACA: ("instruction", "output"),
    Form.TRANSCRIPTS: ("text",),
    Form.PROMPTS: ("prompt",),
}
"""What a form needs, in the order in which forms are tried."""

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "prompt": ("question", "query", "problem"),
    "completion": ("response", "output", "generated_solution", "solution"),
    "output": ("response", "completion"),
    "messages": ("conversations", "conversation", "dialogue", "dialog", "transcript"),
    "answer": ("final_answer", "ground_truth", "expected_answer"),
}
"""Names that published files use for a column, read as it where it is not there itself; that is said."""
OPTION_PROMPTS = ("question", "prompt", "Question", "question_stem", "ctx", "query", "problem", "stem", "input")
RANKED_PROMPTS = (
    "prompt", "question", "instruction", "query", "problem", "conversations", "messages", "context", "input",
)  # fmt: skip
_SCORES = (
    "score", "rating", "reward", "avg_rating", "avg-rating", "overall_score", "rm_score", "quality", "helpfulness",
    "upvotes", "votes", "likes",
)  # fmt: skip
SCORES_OF_SIDES = tuple(
    pair
    for kind in _SCORES
    for join in "_-"
    for pair in ((f"{kind}{join}chosen", f"{kind}{join}rejected"), (f"chosen{join}{kind}", f"rejected{join}{kind}"))
)
MARGINS = (
    "margin", "score_margin", "reward_margin", "rating_margin", "preference_margin", "score_diff", "rating_diff", "reward_diff",
)  # fmt: skip
"""By how much the chosen response is better: below 0 the rejected one is."""
ANSWERS_WITHIN = (("reward_model", "ground_truth"), ("verification_info", "ground_truth"), ("extra_info", "answer"))
WITH_ANSWER = (Form.DEMONSTRATIONS, Form.ALPACA, Form.PROMPTS, Form.MESSAGES, Form.TRANSCRIPTS, Form.LABELLED)
"""Forms that may have the right answer beside what they need."""
SIDED = (Form.PREFERENCES, Form.ALPACA_PREFERENCES)
PLAIN_PREFERENCES = (*SIDED, Form.CONVERSATIONS, Form.WHOLE_CHATS)
OWN_NAMES = (Form.VOTES, Form.PAIRS, Form.OPTIONS, Form.RANKED)
"""Forms that are told by the names that published files use."""
WELL_KNOWN = (
    ("messages", "conversations"),
    ("messages", "conversation"),
    ("messages", "text"),
    ("conversations", "messages"),
    ("prompt", "question"),
    ("prompt", "problem"),
)
"""Names of which nothing needs to be said."""
SOURCES = {
    "first_source": ("source_a", "model_a", "source_1", "model_1"),
    "second_source": ("source_b", "model_b", "source_2", "model_2"),
}
FURTHER = ("category", "first_source", "second_source", "gold", "source_chosen", "source_rejected")


@dataclass(frozen=True)
class Recognised:
    """A form, and where its parts stand in the file."""

    form: Form
    names: dict[str, str]
    """The lab's name of a column → the file's, of those that the form needs."""
    used: frozenset[str]
    """The file's columns that are read, if only to see that they are empty."""
    notes: tuple[Note, ...] = ()
    layout: Layout | None = None
    lists: tuple[str, ...] = ()
    labels: Labels | None = None
    scores: tuple[str, ...] = ()
    """What chosen and rejected were scored, or by how much chosen is the better one."""
    base: int = 0
    """What the file counts its options from."""
    places: Places | None = None
    """Where the sides of preferences stand, that are only named in ``chosen`` and ``rejected``."""
    best: Best | None = None
    """What names the best of a list of answers that has neither scores nor ranks."""
    known_in: tuple[str, str] | None = None
    """The column, and the name within it, of the right answer where it stands within an object."""
    moved: dict[str, str] = field(default_factory=dict)
    """Those of ``names`` whose names differ."""

    def view(self, row: Row) -> Row:
        """A row under the lab's names."""
        if self.places is not None:
            return row | {side: answer_at(row, self.names[side], self.places) for side in ("chosen", "rejected")}
        if self.known_in is not None and isinstance(row.get(self.known_in[0]), dict):
            row = row | {"answer": row[self.known_in[0]].get(self.known_in[1])}
        if not self.moved or self.layout is not None:
            return row
        gone = set(self.moved.values()) - set(self.names)
        renamed = {ours: row[theirs] for ours, theirs in self.moved.items() if theirs in row}
        return {name: value for name, value in row.items() if name not in gone} | renamed


def recognise(rows: Rows, forms: Iterable[Form]) -> Recognised | None:
    """The first of these forms that the rows have, in the order of ``COLUMNS``; None where they have none."""
    wanted = set(forms)
    return next((match for form in COLUMNS if form in wanted and (match := _fit(rows, form)) is not None), None)


def _fit(rows: Rows, form: Form) -> Recognised | None:
    special = {
        Form.VOTES: _votes,
        Form.PAIRS: _pairs,
        Form.RANKED: _ranked,
        Form.LABELLED: _labelled,
        Form.OPTIONS: _options,
        Form.TRANSCRIPTS: _transcripts,
    }
    if form in special:
        return special[form](rows)
    if form is Form.CONVERSATIONS and "conversations" not in rows.columns:
        return _messages_with_sides(rows)
    names = _named(rows.columns, COLUMNS[form])
    if names is None or (form is Form.WHOLE_CHATS and not _any_messages(rows)):
        return None
    if (
        form is Form.MESSAGES
        and {"chosen", "rejected"} <= set(rows.columns)
        and not _any_answer(rows, names["messages"])
    ):
        return None
    places = places_of(rows.rows, rows.columns, names["chosen"], names["rejected"]) if form in SIDED else None
    said = (note("sides_named", columns=", ".join(places.columns)),) if places is not None else ()
    return recognised(rows, form, names, places.columns if places else (), places=places, notes=said)


def recognised(rows: Rows, form: Form, names: Mapping[str, str], more: Iterable[str] = (), **parts: Any) -> Recognised:
    """A form with all that is read beside its own columns; ``more`` are further columns of the file that it reads."""
    names = dict(names)
    columns = set(rows.columns)
    if form in WITH_ANSWER and "answer" not in names and (answer := _named(rows.columns, ("answer",))):
        names |= {ours: theirs for ours, theirs in answer.items() if theirs not in names.values()}
    known_in = _known_in(rows) if form in WITH_ANSWER and "answer" not in names else None
    if known_in is not None:
        said = (note("column_read_as", column=".".join(known_in), name="answer"),)
        more, parts = (*more, known_in[0]), parts | {"known_in": known_in, "notes": (*parts.get("notes", ()), *said)}
    of_chosen = "chosen" in names or ("completion" in rows.mapped and "rejected" in columns)
    scores = _scores(rows, columns) if of_chosen else ()
    beside = columns & {*MEANINGS, *FURTHER, *option_columns(rows.columns)}
    used = set(names.values()) | set(more) | set(scores) | beside
    moved = {ours: theirs for ours, theirs in names.items() if ours != theirs}
    notes = tuple(
        note("column_read_as", column=theirs, name=ours)
        for ours, theirs in moved.items()
        if form not in OWN_NAMES and (ours, theirs) not in WELL_KNOWN
    )
    return Recognised(
        form, names, frozenset(used), notes + tuple(parts.pop("notes", ())), scores=scores, moved=moved, **parts
    )


def _known_in(rows: Rows) -> tuple[str, str] | None:
    """verl's and its like: the right answer is a part of an object beside the prompt."""
    sample = rows.rows[:LOOKED_AT]
    return next((each for each in ANSWERS_WITHIN if any(_holds(row.get(each[0]), each[1]) for row in sample)), None)


def _holds(value: object, name: str) -> bool:
    return isinstance(value, dict) and value.get(name) is not None


def _scores(rows: Rows, columns: set[str]) -> tuple[str, ...]:
    """Where the file says how much better chosen is; nowhere where a person says which column is which."""
    if {"chosen", "rejected"} & rows.mapped:
        return ()
    pair = next((pair for pair in SCORES_OF_SIDES if set(pair) <= columns), None)
    return pair or next(((name,) for name in MARGINS if name in columns), ())


def _named(columns: Iterable[str], wanted: Iterable[str]) -> dict[str, str] | None:
    """The file's name for each wanted column, by its own name or one that published files use; None where one is missing."""
    there = set(columns)
    names = {}
    for ours in wanted:
        theirs = next((name for name in (ours, *OTHER_NAMES.get(ours, ())) if name in there), None)
        if theirs is None:
            return None
        names[ours] = theirs
    return names if len(set(names.values())) == len(names) else None


def _any_messages(rows: Rows) -> bool:
    """Whether the chosen side of some row is a conversation, so that a prompt can be in it."""
    for row in rows.rows[:LOOKED_AT]:
        value = row.get("chosen")
        if isinstance(value, (list, dict)) or (isinstance(value, str) and written_turns(value)):
            return True
    return False


def _any_answer(rows: Rows, column: str) -> bool:
    """Whether some row's messages end with the assistant's, so that they are no prompt of the sides beside them."""
    for row in rows.rows[:LOOKED_AT]:
        try:
            if turns(row, column, USER)[-1]["role"] == ASSISTANT:
                return True
        except NotUsable:
            continue
    return False


def _messages_with_sides(rows: Rows) -> Recognised | None:
    """``messages, chosen, rejected`` where the sides are single answers, so that the messages are what was asked."""
    if not {"messages", "chosen", "rejected"} <= set(rows.columns):
        return None
    for row in rows.rows[:LOOKED_AT]:
        try:
            if len(turns(row, "chosen", ASSISTANT)) > 1:
                return None
        except NotUsable:
            continue
    names = {"conversations": "messages", "chosen": "chosen", "rejected": "rejected"}
    return recognised(rows, Form.CONVERSATIONS, names)


def _votes(rows: Rows) -> Recognised | None:
    layout = layout_of(rows.columns)
    if layout is None or {"chosen", "rejected"} <= set(rows.columns):
        return None
    layout = settled(layout, rows.rows, rows.columns)
    if layout.read is not None and not has_votes(rows.rows, layout):
        return None
    names = {} if layout.first in ("data", "summaries") else {"first": layout.first, "second": layout.second}
    if layout.prompt is not None and layout.first != "data":
        names["prompt"] = layout.prompt
    elif layout.prompt is None and layout.first in {name for pair in PAIRED[2:] for name in pair}:
        return None
    sources = {"model_a", "model_b", "model_1", "model_2"} & set(rows.columns)
    read = {*layout.vote, layout.first, *sources, *(layout.scores or ())}
    return recognised(rows, Form.VOTES, names, read, layout=layout)


def _pairs(rows: Rows) -> Recognised | None:
    prompt = _named(rows.columns, ("prompt",)) or ({"prompt": "instruction"} if "instruction" in rows.columns else None)
    paired = next((pair for pair in PAIRED if set(pair) <= set(rows.columns)), None)
    if prompt is None or paired is None:
        return None
    names = prompt | {"first": paired[0], "second": paired[1]}
    for ours, others in SOURCES.items():
        theirs = next((name for name in (ours, *others) if name in rows.columns), None)
        names |= {ours: theirs} if theirs is not None else {}
    return recognised(rows, Form.PAIRS, names)


def _ranked(rows: Rows) -> Recognised | None:
    sample = rows.rows[:LOOKED_AT]
    lists = list_columns(rows.columns, sample)
    prompt = next((name for name in RANKED_PROMPTS if name in rows.columns), None)
    if prompt is None:
        return None
    if not lists and any(isinstance(row.get("output"), list) for row in sample):
        by_order = (note("ranked_by_order", column="output"),)
        return recognised(rows, Form.RANKED, {"prompt": prompt}, ("output",), notes=by_order)
    if not lists or not any(isinstance(row.get(lists[0]), (list, str)) for row in sample):
        return None
    best = None
    if len(lists) == 1 and not any(has_worth(row, lists) for row in sample):
        best = best_of(rows.rows, lists[0], rows.columns)
    notes = [note("best_from_0", column=best.column)] if best is not None and best.assumed else []
    read = (*lists, *([best.column] if best is not None else []))
    return recognised(rows, Form.RANKED, {"prompt": prompt}, read, lists=lists, best=best, notes=notes)


def _labelled(rows: Rows) -> Recognised | None:
    forms = (Form.MESSAGES, Form.DEMONSTRATIONS, Form.ALPACA)
    match = recognise(rows, forms)
    labels = labels_of(rows.rows, [name for name in rows.columns if match is None or name not in match.names.values()])
    if match is None or labels is None:
        return None
    return recognised(rows, Form.LABELLED, match.names, (labels.column,), labels=labels)


def _options(rows: Rows) -> Recognised | None:
    columns = option_columns(rows.columns)
    prompt = next((name for name in OPTION_PROMPTS if name in rows.columns and name not in columns), None)
    if not columns or prompt is None or {"chosen", "rejected"} <= set(rows.columns):
        return None
    base, guessed = options_count_from(rows.rows)
    answer = answer_column(rows.columns)
    notes = [note("options_from_0", column=answer)] if guessed else []
    notes += [note("options_shuffled")] if RIGHT in columns else []
    further = {*columns, *([answer] if answer else [])}
    return recognised(rows, Form.OPTIONS, {"prompt": prompt}, further, base=base, notes=notes)


def _transcripts(rows: Rows) -> Recognised | None:
    sample = [row["text"] for row in rows.rows[:LOOKED_AT] if isinstance(row.get("text"), str)]
    if not sample or not any(written_turns(cell) for cell in sample):
        return None
    return recognised(rows, Form.TRANSCRIPTS, {"messages": "text"})
