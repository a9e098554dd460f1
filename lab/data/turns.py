"""One row's cells as text or as messages (``[{"role", "content"}]``), whatever a file calls them. Which columns is ``forms.py``'s.

Known are trl's ``role, content`` and LLaMA-Factory's ``from, value``. Tool calls and pictures are none of the lab's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut

Message = dict[str, str]
Turns = list[Message]
Prompt = str | Turns
"""Text where it is one question, else messages that end with the user's."""

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
SPEAKERS = {
    "system": SYSTEM,
    "user": USER,
    "human": USER,
    "prompter": USER,
    "assistant": ASSISTANT,
    "gpt": ASSISTANT,
    "bot": ASSISTANT,
    "model": ASSISTANT,
    "chatgpt": ASSISTANT,
}
"""The speakers of other tools by the names that chat templates know."""


def text(value: Any) -> str:
    """A cell as text: numbers as they are written (an answer may be 5), everything that is neither, and what is missing, as empty.

    Lone surrogates, which no tokenizer takes, become a question mark.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not is_missing(value):
        return str(value)
    return ""


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing. Tables of numbers write NaN there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def wanted_text(row: Mapping[str, Any], column: str) -> str:
    """The text of a column. Raises NotUsable where it is missing, no text, or empty."""
    value = row.get(column)
    if is_missing(value):
        raise NotUsable(WhyLeftOut.MISSING, column)
    if isinstance(value, (bool, list, tuple, dict)):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    found = text(value)
    if not found.strip():
        raise NotUsable(WhyLeftOut.EMPTY, column)
    return found


def is_plain(value: Any) -> bool:
    """Whether a cell is text rather than messages."""
    return not isinstance(value, (list, tuple, dict))


def turns(row: Mapping[str, Any], column: str, speaker: str) -> Turns:
    """A column as messages; plain text is one message of ``speaker``. Raises NotUsable where it is neither, or empty."""
    value = row.get(column)
    if is_plain(value):
        return [{"role": speaker, "content": wanted_text(row, column)}]
    items = [value] if isinstance(value, dict) else value or []
    found = [message for item in items if (message := _message(item, column))["content"].strip()]
    if not found:
        raise NotUsable(WhyLeftOut.EMPTY, column)
    return found


def as_text(prompt: Turns) -> str:
    """A prompt that is one message of the user. Raises NotUsable where it is more."""
    if len(prompt) != 1:
        raise NotUsable(WhyLeftOut.SEVERAL_TURNS)
    return prompt[0]["content"]


def as_conversation(prompt: Prompt) -> Turns:
    """A prompt as the messages that chat templates read."""
    return [{"role": USER, "content": prompt}] if isinstance(prompt, str) else prompt


def last_words(prompt: Prompt) -> str:
    """What the user said last: the prompt that rules see, and that is shown of a conversation."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def one_answer(row: Mapping[str, Any], column: str) -> str:
    """A column that is text, or one message of the assistant, as text. Raises NotUsable where it is neither."""
    found = turns(row, column, ASSISTANT)
    if len(found) != 1 or found[0]["role"] != ASSISTANT:
        raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, column)
    return found[0]["content"]


def _message(item: Any, column: str) -> Message:
    """One message. An empty one is passed over by the caller only where it is the system's."""
    if not isinstance(item, Mapping):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    said = item.get("content", item.get("value"))
    role = SPEAKERS.get(str(item.get("role", item.get("from"))).lower())
    if role is None or not isinstance(said, str):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    if not said.strip() and role != SYSTEM:
        raise NotUsable(WhyLeftOut.EMPTY, column)
    return {"role": role, "content": text(said)}
