"""Prompts and completions of rows of a known form; preferences and pairs are ``preference_forms.py``'s. Which form it is, is
``recognition.py``'s.

| form | columns | as prompts | as completions | as preferences |
|---|---|---|---|---|
| preferences | ``prompt, chosen, rejected``: text, messages, lists of either | the prompt | no | as they are |
| pairs | ``prompt, first, second``: to be judged (``pair_rows.py``) | the prompt | no | no |
| votes | two responses and who won (``vote_rows.py``) | the prompt | no | ties are left out |
| conversations | ``conversations, chosen, rejected`` (LLaMA-Factory) | the conversation | no | yes |
| whole_chats | ``chosen, rejected``: messages or transcripts with the prompt in them | what they share | no | yes |
| alpaca_preferences | ``instruction, input, chosen, rejected`` | instruction and input | no | yes |
| ranked | ``prompt, responses`` with scores or ranks | the prompt | no | the best against each lower one |
| labelled | ``prompt, completion, label`` | the prompt | the good ones | good and bad of one prompt |
| options | ``question, choices, answer`` | question and options; the letter | the letter | no |
| messages, transcripts | ``messages``; a ``text`` that is a transcript | up to the user's last word | every answer, or the last | no |
| alpaca | ``instruction, input, output`` | instruction and input | the output | no |
| demonstrations | ``prompt, completion`` | without an answer | as they are | no |
| problems | ``prompt, answer`` | as they are | no | no |
| questions | ``question, answer`` with ``#### 18`` (GSM8K) | the number after ``####`` | the whole text, and that number | no |
| prompts | ``prompt`` | without an answer | no | no |

Columns that nothing is read from are named. A row that cannot be used is left out, with its line and the reason; where none is left,
that is an error.
"""

from __future__ import annotations

from typing import Any

from lab.core.notes import Note, note
from lab.data.completion_rows import conversation, conversation_prompt, demonstration, demonstrations, known_answer
from lab.data.labels import SCORES, Labels
from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.option_rows import option_letter
from lab.data.preference_forms import one_pair, voted_pairs, with_prompt
from lab.data.preference_rows import prompt_turns
from lab.data.prompt_rows import asked
from lab.data.recognition import COLUMNS, PLAIN_PREFERENCES, Form, Recognised, recognise, recognised
from lab.data.refusals import no_form, other_use
from lab.data.rows import Rows
from lab.data.shaping import OF_MESSAGES, Shaped, chosen_leads, shape_rows
from lab.data.turns import Turns, as_text, is_missing, is_plain, one_answer, prompt_from, text, turns

FINAL = "####"
"""GSM8K's mark before the final answer."""

COMPLETION_FORMS = (
    Form.LABELLED,
    Form.OPTIONS,
    Form.MESSAGES,
    Form.DEMONSTRATIONS,
    Form.QUESTIONS,
    Form.ALPACA,
    Form.TRANSCRIPTS,
)
PROMPT_FORMS = tuple(COLUMNS)
Row = dict[str, Any]


def detect_form(rows: Rows) -> Form:
    """The first form that the columns have. Raises DatasetError where there is none."""
    match = recognise(rows, tuple(COLUMNS))
    if match is None:
        raise no_form(rows)
    return match.form


def shape_prompts(rows: Rows, *, conversations: bool = False) -> Shaped:
    """``prompt, answer`` rows; those whose answer is not known have no ``answer``. With ``conversations``, a prompt of several turns is
    messages, as in ``shape_preferences``; without, such a row is left out.

    Raises DatasetError where there is no column of prompts, and where every prompt is empty.
    """
    match = recognise(rows, PROMPT_FORMS)
    if match is None:
        raise other_use(rows, ("prompt",), "prompts")

    def shape(row: Row) -> list[Row]:
        prompt = _asked(row, match)
        answer = _answer(row, match)
        plain = prompt_from(prompt) if conversations else as_text(prompt)
        return [{"prompt": plain} | ({"answer": answer} if answer else {})]

    return shape_rows(rows, match, shape)


def shape_scored(rows: Rows) -> Shaped:
    """``prompt, completion, answer`` rows to be scored: a completion may be empty, and a prompt may be missing or empty."""

    def shape(row: Row) -> list[Row]:
        if is_missing(row.get("completion")):
            raise NotUsable(WhyLeftOut.MISSING, "completion")
        plain = is_plain(row["completion"])
        completion = str(text(row["completion"]) or row["completion"]) if plain else one_answer(row, "completion")
        prompt = prompt_from(asked(row)) if text(row.get("prompt")).strip() or not is_plain(row.get("prompt")) else ""
        return [{"prompt": prompt, "completion": completion} | _known(row)]

    match = recognised(
        rows, Form.DEMONSTRATIONS, {name: name for name in ("prompt", "completion") if name in rows.columns}
    )
    return shape_rows(rows, match, shape)


def shape_completions(rows: Rows, *, every_answer: bool = False, marked: bool = True) -> Shaped:
    """``prompt, completion`` rows, and ``answer`` where it is known: in a column of its own, or after ``####``. A prompt of several turns is
    messages. With ``every_answer``, a conversation of several answers has ``messages``, too; without ``marked``, rows that a column marks as
    bad are completions like the others. Raises DatasetError where a column is missing, and where no row has both."""
    match = recognise(rows, COMPLETION_FORMS)
    if match is None:
        raise other_use(rows, ("prompt", "completion"), "completions")
    inner = recognise(rows, (Form.MESSAGES, Form.DEMONSTRATIONS, Form.ALPACA)) if match.form is Form.LABELLED else match
    labels, notes = _marks(match) if marked else (None, ())

    def shape(row: Row) -> list[Row]:
        if labels is not None and not labels.is_good(row):
            raise NotUsable(WhyLeftOut.MARKED_BAD, labels.column)
        if (lead := chosen_leads(row, match)) is not None and lead < 0:  # the chosen side, learnt as a completion
            raise NotUsable(WhyLeftOut.REVERSED, ", ".join(match.scores))
        form = (inner or match).form
        if form in OF_MESSAGES:
            return [conversation(row, every_answer=every_answer) | _known(row)]
        if form is Form.OPTIONS:
            letter = option_letter(row, match.base)
            if not letter:
                raise NotUsable(WhyLeftOut.MISSING, "answer")
            return [{"prompt": prompt_from(_asked(row, match)), "completion": letter, "answer": letter}]
        if form is Form.QUESTIONS:
            shaped = demonstration({**row, "prompt": row.get("question")}, "answer")
            answer = _final(shaped["completion"]) if FINAL in shaped["completion"] else ""
            return [shaped | ({"answer": answer} if answer else {})]
        alpaca = form is Form.ALPACA
        view = {**row, "prompt": row.get("instruction")} if alpaca else row
        known = _known(row)
        if alpaca and isinstance(
            row.get("output"), list
        ):  # LLaMA-Factory's old preferences: only the first is the good one
            raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, "output")
        return [shaped | known for shaped in demonstrations(view, "output" if alpaca else "completion")]

    return shape_rows(rows, match, shape, notes)


def _marks(match: Recognised) -> tuple[Labels | None, tuple[Note, ...]]:
    """What decides which rows are demonstrations, and what is said of it. A score of any kind decides nothing: it is only named."""
    labels = match.labels
    if labels is None or labels.above is None:
        return labels, ()
    if labels.column in SCORES:
        return None, (note("scores_unused", column=labels.column),)
    return labels, (note("graded", column=labels.column, above=f"{labels.above:g}"),)


def _asked(row: Row, match: Recognised) -> Turns:
    """The prompt of a row as messages that end with the user's."""
    form = match.form
    if form in PLAIN_PREFERENCES:
        return prompt_turns(with_prompt(row, form))
    if form in OF_MESSAGES or (form is Form.LABELLED and "messages" in match.names):
        return conversation_prompt(row)
    if form is Form.VOTES and match.layout is not None:
        shaped = one_pair(voted_pairs(row, match, strict=False)[0][0])
        return turns(shaped, "prompt", "user")
    if form is Form.QUESTIONS:
        return asked({**row, "prompt": row.get("question")})
    if form in (Form.ALPACA, Form.ALPACA_PREFERENCES) or (form is Form.LABELLED and "instruction" in match.names):
        return asked({**row, "prompt": row.get("instruction")})
    return asked(row)


def _answer(row: Row, match: Recognised) -> str:
    if match.form is Form.OPTIONS:
        return option_letter(row, match.base)
    answer = known_answer(row)
    return _final(answer) if match.form is Form.QUESTIONS else answer


def _known(row: Row) -> Row:
    """``answer`` where it is known."""
    answer = known_answer(row)
    return {"answer": answer} if answer else {}


def _final(answer: str) -> str:
    """GSM8K's final answer without its thousands commas; the whole text where the mark is missing."""
    _, mark, last = answer.rpartition(FINAL)
    return last.strip().replace(",", "") if mark else answer.strip()
