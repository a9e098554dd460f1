"""The known forms of rows, and how each becomes what training reads. Files are read in ``rows.py``, messages in ``turns.py``.

| form | columns | as prompts | as completions | as preferences |
|---|---|---|---|---|
| preferences | ``prompt, chosen, rejected``: text or messages | the prompt | no | as they are |
| pairs | ``prompt, first, second``: to be judged (``pair_rows.py``) | the prompt | no | no |
| conversations | ``conversations, chosen, rejected`` (LLaMA-Factory) | the conversation | no | yes |
| whole_chats | ``chosen, rejected``: messages with the prompt in them | what they share | no | yes |
| alpaca_preferences | ``instruction, input, chosen, rejected`` | instruction and input | no | yes |
| alpaca | ``instruction, input, output`` | instruction and input | the output | no |
| demonstrations | ``prompt, completion`` | without an answer | as they are | no |
| problems | ``prompt, answer`` | as they are | no | no |
| questions | ``question, answer`` with ``#### 18`` (GSM8K) | the number after ``####`` | the whole text, and that number | no |
| prompts | ``prompt`` | without an answer | no | no |

Further columns are passed over. A row that cannot be used is left out, with its line and the reason; where none is left, that is
an error. Columns of other names are renamed first: ``with_columns(rows, {"prompt": "question_text"})``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lab.data.columns import with_columns
from lab.data.left_out import LeftOut, NotUsable, WhyLeftOut
from lab.data.notes import Note
from lab.data.preference_rows import one_preference, prompt_turns
from lab.data.rows import Rows
from lab.data.turns import Turns, as_text, is_plain, one_answer, text, wanted_text
from lab.errors import DatasetError

FINAL = "####"
"""GSM8K's mark before the final answer."""


class Form(StrEnum):
    """A known form of rows, told by its columns."""

    PREFERENCES = "preferences"
    PAIRS = "pairs"
    CONVERSATIONS = "conversations"
    WHOLE_CHATS = "whole_chats"
    ALPACA_PREFERENCES = "alpaca_preferences"
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
    Form.PAIRS: ("prompt", "first", "second"),
    Form.DEMONSTRATIONS: ("prompt", "completion"),
    Form.PROBLEMS: ("prompt", "answer"),
    Form.QUESTIONS: ("question", "answer"),
    Form.ALPACA: ("instruction", "output"),
    Form.PROMPTS: ("prompt",),
}
"""What a form needs, in the order in which forms are tried."""
PREFERENCE_FORMS = (Form.PREFERENCES, Form.CONVERSATIONS, Form.ALPACA_PREFERENCES, Form.WHOLE_CHATS)
COMPLETION_FORMS = (Form.DEMONSTRATIONS, Form.QUESTIONS, Form.ALPACA)
PROMPT_FORMS = (
    Form.PREFERENCES,
    Form.PAIRS,
    Form.PROBLEMS,
    Form.PROMPTS,
    Form.CONVERSATIONS,
    Form.ALPACA_PREFERENCES,
    Form.ALPACA,
    Form.WHOLE_CHATS,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Shaped:
    """The rows that can be used, and the report of those that cannot (those that the file's reader left out, too)."""

    form: Form
    rows: list[Row]
    left_out: list[LeftOut]
    lines: list[int]
    """Where each row that can be used begins in the file."""
    passed_over: tuple[str, ...] = ()
    """The file's columns that nothing was read from."""
    notes: tuple[Note, ...] = ()
    """What was assumed."""


def detect_form(rows: Rows, columns: Mapping[str, str] | None = None) -> Form:
    """The first form all of whose columns are there, once ``columns`` (the lab's name → the file's) are renamed.

    Raises DatasetError where there is none, and where the mapping names what is not there.
    """
    if columns:
        rows = with_columns(rows, columns)
    found = _first(rows, tuple(COLUMNS))
    if found is None:
        raise DatasetError("dataset_form", path=rows.path, found=_found(rows), known=_known(tuple(COLUMNS)))
    return found


def as_prompts(rows: Rows, *, conversations: bool = False) -> list[Row]:
    """``prompt, answer`` rows; those whose answer is not known have no ``answer``. With ``conversations``, a prompt of several turns
    is messages, as in ``as_preferences``; without, such a row is left out.

    Raises DatasetError where there is no column of prompts, and where every prompt is empty.
    """
    return shape_prompts(rows, conversations=conversations).rows


def as_completions(rows: Rows) -> list[Row]:
    """``prompt, completion`` rows, and ``answer`` where it is known: in a column of its own, or after ``####``.

    Raises DatasetError where a column is missing, and where no row has both.
    """
    return shape_completions(rows).rows


def as_preferences(rows: Rows) -> list[Row]:
    """``prompt, chosen, rejected`` rows, and ``category`` where the file has it. A prompt is text where it is one question, else
    messages (``[{"role", "content"}]``); the sides are text.

    Raises DatasetError where a column is missing, and where no row can be used.
    """
    return shape_preferences(rows).rows


def shape_prompts(rows: Rows, *, conversations: bool = False) -> Shaped:
    """``as_prompts``, with the report."""
    alone = "question" in rows.columns and "prompt" not in rows.columns  # GSM8K without its answers is fine here
    form = Form.QUESTIONS if alone else _wanted(rows, PROMPT_FORMS, "prompt", "prompt, answer")

    def one(row: Row) -> Row:
        prompt = _turns_or_text(row, form) if conversations else _prompt(row, form)
        answer = text(row.get("answer"))
        answer = _final(answer) if form is Form.QUESTIONS else answer
        return {"prompt": prompt} | ({"answer": answer} if answer.strip() else {})

    return _shape(rows, form, one, ("question" if form is Form.QUESTIONS else COLUMNS[form][0],))


def shape_completions(rows: Rows) -> Shaped:
    """``as_completions``, with the report."""
    missing = "completion" if "prompt" in rows.columns else "prompt"
    form = _wanted(rows, COMPLETION_FORMS, missing, "prompt, completion")
    column = COLUMNS[form][1]

    def one(row: Row) -> Row:
        prompt, completion = _prompt(row, form), one_answer(row, column)
        if column == "answer":
            answer = _final(completion) if FINAL in completion else ""
        else:
            answer = text(row.get("answer"))
        return {"prompt": prompt, "completion": completion} | ({"answer": answer} if answer.strip() else {})

    return _shape(rows, form, one, COLUMNS[form])


def shape_preferences(rows: Rows) -> Shaped:
    """``as_preferences``, with the report."""
    missing = next((name for name in COLUMNS[Form.PREFERENCES] if name not in rows.columns), "prompt")
    form = _wanted(rows, PREFERENCE_FORMS, missing, "prompt, chosen, rejected")
    return _shape(rows, form, lambda row: one_preference(_with_prompt(row, form)), COLUMNS[form])


def shape_pairs(rows: Rows) -> Shaped:
    """``prompt, first, second`` rows with what else a pair may have (``first_source, second_source, gold``), and the report.

    A prompt is text where it is one question, else messages; both responses are text.
    """
    form = _wanted(rows, (Form.PAIRS,), "first", "prompt, first, second")

    def one(row: Row) -> Row:
        sides = {"chosen": row.get("first"), "rejected": row.get("second")}
        try:
            shaped = one_preference({"prompt": row.get("prompt"), **sides})
        except NotUsable as reason:
            theirs = {"chosen": "first", "rejected": "second"}.get(reason.detail, reason.detail)
            raise NotUsable(reason.why, theirs) from reason
        further = {name: row[name] for name in ("first_source", "second_source", "gold") if name in row}
        return {"prompt": shaped["prompt"], "first": shaped["chosen"], "second": shaped["rejected"]} | further

    return _shape(rows, form, one, COLUMNS[form])


def _shape(rows: Rows, form: Form, one: Callable[[Row], Row], columns: tuple[str, ...]) -> Shaped:
    """Every row through ``one``; DatasetError where none is left."""
    kept: list[Row] = []
    kept_lines: list[int] = []
    left_out = list(rows.left_out)
    lines = rows.lines or range(1, len(rows.rows) + 1)
    for line, row in zip(lines, rows.rows, strict=True):
        try:
            kept.append(one(row))
            kept_lines.append(line)
        except NotUsable as reason:
            left_out.append(reason.at(line))
    if not kept:
        raise _nothing(rows, left_out, columns)
    return Shaped(form, kept, sorted(left_out, key=lambda row: row.line), kept_lines)


def _nothing(rows: Rows, left_out: list[LeftOut], columns: tuple[str, ...]) -> DatasetError:
    whys = {row.why for row in left_out}
    if whys == {WhyLeftOut.EQUAL_SIDES}:
        return DatasetError("dataset_all_equal", path=rows.path, count=len(rows.rows))
    if whys == {WhyLeftOut.SEVERAL_TURNS}:
        return DatasetError("dataset_all_conversations", path=rows.path, count=len(rows.rows))
    return DatasetError("dataset_all_empty", path=rows.path, count=len(rows.rows), columns=", ".join(columns))


def _prompt(row: Row, form: Form) -> str:
    """The prompt of a row as one text."""
    if form is Form.QUESTIONS:
        return wanted_text(row, "question")
    if form in (Form.ALPACA, Form.ALPACA_PREFERENCES):
        return _instruction(row)
    if "prompt" in row and is_plain(row["prompt"]):
        return wanted_text(row, "prompt")
    return as_text(prompt_turns(_with_prompt(row, form)))


def _turns_or_text(row: Row, form: Form) -> str | Turns:
    """The prompt of a row: text where it is one question, else messages."""
    if form not in PREFERENCE_FORMS and is_plain(row.get("prompt", "")):
        return _prompt(row, form)
    asked = prompt_turns(_with_prompt(row, form))
    return asked[0]["content"] if len(asked) == 1 else asked


def _with_prompt(row: Row, form: Form) -> Row:
    """A row of a preference form under the names ``prompt, chosen, rejected``."""
    if form is Form.CONVERSATIONS:
        return {**row, "prompt": row.get("conversations")}
    if form is Form.ALPACA_PREFERENCES:
        return {**row, "prompt": _instruction(row)}
    if form is Form.WHOLE_CHATS:
        return {name: value for name, value in row.items() if name != "prompt"}
    return {"prompt": None, **row}


def _instruction(row: Row) -> str:
    """Alpaca's prompt: the instruction, and the input on a new line where there is one, as LLaMA-Factory joins them."""
    if row.get("history") or text(row.get("system")).strip():
        raise NotUsable(WhyLeftOut.SEVERAL_TURNS)
    further = text(row.get("input"))
    asked = wanted_text(row, "instruction")
    return f"{asked}\n{further}" if further.strip() else asked


def _first(rows: Rows, forms: tuple[Form, ...]) -> Form | None:
    return next((form for form in COLUMNS if form in forms and set(COLUMNS[form]) <= set(rows.columns)), None)


def _wanted(rows: Rows, forms: tuple[Form, ...], missing: str, wanted: str) -> Form:
    """The first of these forms that the rows have; DatasetError naming the missing column where they have none."""
    found = _first(rows, forms)
    if found is None:
        raise DatasetError("dataset_columns", path=rows.path, missing=missing, found=_found(rows), wanted=wanted)
    return found


def _found(rows: Rows) -> str:
    return ", ".join(rows.columns)


def _known(forms: tuple[Form, ...]) -> str:
    return "; ".join(", ".join(COLUMNS[form]) for form in forms)


def _final(answer: str) -> str:
    """GSM8K's final answer without its thousands commas; the whole text where the mark is missing."""
    _, mark, last = answer.rpartition(FINAL)
    return last.strip().replace(",", "") if mark else answer.strip()
