"""Demonstrations: a row's prompt and the completion to learn, of conversations every answer or the last.

Of a conversation the prompt is all that stands before the last answer. Where every answer is to be trained, and there are several, the
row has ``messages`` as well: the whole conversation (``datasets.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.preference_rows import answers_of, belongs
from lab.data.prompt_rows import asked, question, refuse_what_is_no_text, whole_prompt
from lab.data.turns import ASSISTANT, USER, Turns, is_answer, is_missing, is_untrained, prompt_from, text, turns
from lab.data.written_turns import written_turns

Row = dict[str, Any]


def demonstration(row: Mapping[str, Any], column: str) -> Row:
    """``prompt, completion`` of a row with the completion in ``column``; a conversation there may repeat the prompt. Raises NotUsable."""
    prompt = asked(row)
    answer = turns(row, column, ASSISTANT)
    if len(answer) > 1 and belongs(answer[:-1], prompt):
        before, answer = answer[:-1], answer[-1:]
        prompt = question(before) if len(before) > len(prompt) else prompt
    if len(answer) != 1 or answer[0]["role"] != ASSISTANT:
        raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, column)
    return {"prompt": prompt_from(prompt), "completion": answer[0]["content"]}


def demonstrations(row: Mapping[str, Any], column: str) -> list[Row]:
    """One demonstration for each answer where the column is a list of answers."""
    answers = answers_of(row.get(column))
    return [demonstration({**row, column: answer}, column) for answer in answers or [row.get(column)]]


def conversation(row: Mapping[str, Any], *, every_answer: bool) -> Row:
    """``prompt, completion`` of a row's ``messages``, and ``messages`` where every one of several answers is trained. Raises NotUsable."""
    refuse_what_is_no_text(row)
    messages = turns(row, "messages", USER)
    if messages[-1]["role"] != ASSISTANT:
        raise NotUsable(WhyLeftOut.NO_ANSWER)
    prompt = whole_prompt(row, question(messages[:-1]))
    _check_marks(row.get("messages"), every_answer)
    shaped: Row = {"prompt": prompt_from(prompt), "completion": messages[-1]["content"]}
    answers = [message for message in prompt if message["role"] == ASSISTANT]
    return shaped | ({"messages": [*prompt, messages[-1]]} if every_answer and answers else {})


def conversation_prompt(row: Mapping[str, Any]) -> Turns:
    """A row's ``messages`` up to the user's last one: what a model is asked. Raises NotUsable."""
    refuse_what_is_no_text(row)
    messages = turns(row, "messages", USER)
    if messages[-1]["role"] == ASSISTANT:
        messages = messages[:-1]
    return whole_prompt(row, question(messages))


def known_answer(row: Mapping[str, Any]) -> str:
    """The right answer; empty where it is not known. Raises NotUsable where there is one that is neither text nor a number."""
    value = row.get("answer")
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        return str(value)
    if is_missing(value) or value in ([], {}):
        return ""
    if isinstance(value, (list, tuple, dict)):
        raise NotUsable(WhyLeftOut.NOT_TEXT, "answer")
    return text(value).strip()


def _check_marks(items: Any, every_answer: bool) -> None:
    """Refuse a conversation one of whose answers is marked as not to be trained, where it would be."""
    if isinstance(items, str) and (written := written_turns(items)) is not None:
        items = written[0]
    answers = [item for item in items if is_answer(item)] if isinstance(items, (list, tuple)) else []
    if any(is_untrained(item) for item in (answers if every_answer else answers[-1:])):
        raise NotUsable(WhyLeftOut.NOT_TO_TRAIN)
