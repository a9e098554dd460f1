"""One row's cells as text or as messages (``[{"role", "content"}]``), whatever a file calls them. Which columns is ``forms.py``'s.

Known are OpenAI's and trl's ``role, content`` (content as text or in parts), ShareGPT's and LLaMA-Factory's ``from, value``, Firefly's
``human, assistant``, and messages that a file holds as text (``written_turns.py``). What a tool returned is read as the user's message,
and that is said. Pictures, sounds and calls of tools are none of the lab's: such a row is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.written_turns import written_turns

Message = dict[str, str]
Turns = list[Message]
Prompt = str | Turns
"""Text where it is one question, else messages that end with the user's."""

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
MODELS = ("assistant", "gpt", "bot", "model", "chatgpt", "chatbot", "bard", "bing", "claude", "function_call")
SPEAKERS = {
    **dict.fromkeys(("system", "developer"), SYSTEM),
    **dict.fromkeys(("user", "human", "prompter", "customer"), USER),
    **dict.fromkeys(MODELS, ASSISTANT),
}
"""The speakers of other tools by the names that chat templates know."""
RETURNED = ("tool", "observation", "function", "function_response", "tool_response", "ipython")
"""Who speaks for a tool."""

EXCHANGES = (
    ("human", "assistant"), ("user", "assistant"), ("input", "output"), ("question", "answer"), ("prompt", "response"),
    ("instruction", "output"), ("instruction", "response"),
)  # fmt: skip
"""One object for a question and its answer: MOSS, Capybara and their like."""
LONE_MESSAGE = ({"role"}, {"from", "value"}, {"speaker"}, {"human", "assistant"})
REPLIES = ("replies", "children")
"""Keys of a message under which the messages that answer it stand."""
SPOKEN_BY = ("role", "from", "speaker")
MESSAGES = "messages"
UNTRAINED = ("weight", "train", "loss")
"""Keys by which a message says that it is not to be trained: OpenAI's ``weight: 0``, others' ``train: false``."""


def text(value: Any) -> str:
    """A cell as text: numbers as they are written (an answer may be 5), everything that is neither, and what is missing, as empty.

    Lone surrogates, which no tokenizer takes, become a question mark.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not is_missing(value):
        return str(value)
    return ""


def word_of(value: Any) -> str:
    """A mark in lower case: yes and no as ``true`` and ``false``, a whole number without its ``.0``."""
    return str(value).lower() if isinstance(value, bool) else text(value).strip().lower().removesuffix(".0")


def number_of(value: Any) -> float | None:
    """A cell as a number, also where it is written as text; None where it is none."""
    try:
        return None if isinstance(value, bool) or is_missing(value) else float(text(value))
    except ValueError:
        return None


def score_of(value: Any) -> float | None:
    """A cell as a number; yes and no count as 1 and 0, as a rule's do."""
    return float(value) if isinstance(value, bool) else number_of(value)


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
    content = text(value)
    if not content.strip():
        raise NotUsable(WhyLeftOut.EMPTY, column)
    return content


def is_plain(value: Any) -> bool:
    """Whether a cell is text rather than messages."""
    if isinstance(value, str):
        return written_turns(value) is None
    return not isinstance(value, (list, tuple, dict))


def is_conversation(value: Any) -> bool:
    """Whether a cell is a list of messages, or text of one."""
    return isinstance(value, (list, tuple)) or (isinstance(value, str) and not is_plain(value))


def turns(row: Mapping[str, Any], column: str, speaker: str) -> Turns:
    """A column as messages; plain text is one message of ``speaker``.

    Raises NotUsable where it is neither, where a message is empty (only a system message may be: it says nothing), and where it has
    pictures or calls of tools.
    """
    value = row.get(column)
    written = written_turns(value) if isinstance(value, str) else None
    if written is not None:
        value = written[0]
    elif column == MESSAGES:
        value = unpacked(value, '["')
    if not isinstance(value, (list, tuple, dict)):
        return [{"role": speaker, "content": wanted_text(row, column)}]
    items = [value] if isinstance(value, dict) else list(value)
    if any(isinstance(item, Mapping) and any(item.get(name) for name in REPLIES) for item in items):
        raise NotUsable(WhyLeftOut.TREE, column)
    if column == MESSAGES and by_turns(items):
        items = [{"role": (USER, ASSISTANT)[place % 2], "content": item} for place, item in enumerate(items)]
    if items and all(_is_part(item) for item in items):
        items = [{"role": speaker, "content": items}]
    messages = [message for message in _messages(items, column) if message["content"].strip()]
    if not messages:
        raise NotUsable(WhyLeftOut.EMPTY, column)
    return messages


def by_turns(value: Any) -> bool:
    """Whether a cell of messages is a list of texts, in which user and assistant speak by turns (LIMA, UltraChat)."""
    texts = unpacked(value, '["')
    return isinstance(texts, (list, tuple)) and len(texts) > 1 and all(isinstance(item, str) for item in texts)


def unpacked(value: Any, begins: str = "[") -> Any:
    """The list that a cell holds as JSON, where its text begins like one; else the value as it is."""
    if isinstance(value, str) and value.lstrip().startswith(begins):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def as_text(prompt: Turns) -> str:
    """A prompt that is one message of the user. Raises NotUsable where it is more."""
    if len(prompt) != 1:
        raise NotUsable(WhyLeftOut.SEVERAL_TURNS)
    return prompt[0]["content"]


def prompt_from(messages: Turns) -> Prompt:
    """Text where it is one question, else the messages."""
    return messages[0]["content"] if len(messages) == 1 else messages


def as_conversation(prompt: Prompt) -> Turns:
    """A prompt as the messages that chat templates read."""
    return [{"role": USER, "content": prompt}] if isinstance(prompt, str) else prompt


def last_words(prompt: Prompt) -> str:
    """What the user said last: the prompt that rules see, and that is shown of a conversation."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def one_answer(row: Mapping[str, Any], column: str) -> str:
    """A column that is text, or one message of the assistant, as text. Raises NotUsable where it is neither."""
    messages = turns(row, column, ASSISTANT)
    if len(messages) != 1 or messages[0]["role"] != ASSISTANT:
        raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, column)
    return messages[0]["content"]


def returned_by_tools(value: Any) -> bool:
    """Whether a cell has messages that a tool returned, which are read as the user's."""
    items = value if isinstance(value, (list, tuple)) else ()
    return any(isinstance(item, Mapping) and _speaker(item) in RETURNED for item in items)


def is_answer(item: Any) -> bool:
    """Whether a message is the assistant's."""
    return isinstance(item, Mapping) and SPEAKERS.get(_speaker(item)) == ASSISTANT


def is_untrained(item: Any) -> bool:
    """Whether a message says of itself that it is not to be trained."""
    return isinstance(item, Mapping) and any(
        key in item and not is_missing(item[key]) and item[key] in (0, False, "0", "false", "False")
        for key in UNTRAINED
    )


def _messages(items: list[Any], column: str) -> Turns:
    """Each item as a message. An empty one is passed over by the caller only where it is the system's."""
    messages: Turns = []
    for item in items:
        exchange = _exchange(item)
        if exchange is not None:
            asked, answer = exchange
            messages += [
                _message({"role": USER, "content": item[asked]}, column, messages),
                _message({"role": ASSISTANT, "content": item[answer]}, column, messages),
            ]
        else:
            messages.append(_message(item, column, messages))
    return messages


def _exchange(item: Any) -> tuple[str, str] | None:
    """The names of question and answer in an object that holds both; None where it is one message."""
    if not isinstance(item, Mapping) or _first_there(item, SPOKEN_BY) is not None:
        return None
    return next((pair for pair in EXCHANGES if all(isinstance(item.get(name), str) for name in pair)), None)


def _first_there(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these that holds anything: tables have every key in every message."""
    return next((item[name] for name in names if not is_missing(item.get(name))), None)


def _message(item: Any, column: str, before: Turns) -> Message:
    if not isinstance(item, Mapping):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    speaker = _speaker(item)
    if item.get("tool_calls") or item.get("function_call") or (speaker in RETURNED and not before):
        raise NotUsable(WhyLeftOut.TOOLS, column)
    role = USER if speaker in RETURNED else SPEAKERS.get(speaker)
    content = _content(_first_there(item, ("content", "value", "text")), column)
    if role is None or content is None:
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    if not content.strip() and role != SYSTEM:
        raise NotUsable(WhyLeftOut.EMPTY, column)
    thought = text(item.get("reasoning_content") or item.get("thinking"))
    if thought.strip() and role == ASSISTANT:
        content = f"<think>\n{thought.strip()}\n</think>\n\n{content}"
    return {"role": role, "content": text(content)}


def _speaker(item: Mapping[str, Any]) -> str:
    return str(_first_there(item, SPOKEN_BY)).strip().lower()


def _content(value: Any, column: str) -> str | None:
    """The text of a message, which may come in parts; None where it is none. Raises NotUsable where a part is a picture or a sound."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return None
    parts = []
    for part in value:
        if isinstance(part, str):
            parts.append(part)
        elif not _is_part(part):
            return None
        elif isinstance(part.get("text"), str) and str(part.get("type", "text")).endswith("text"):
            parts.append(part["text"])
        else:
            raise NotUsable(WhyLeftOut.IMAGES, column)
    return "".join(parts)


def _is_part(item: Any) -> bool:
    return isinstance(item, Mapping) and "type" in item and not any(keys <= item.keys() for keys in LONE_MESSAGE)
