"""Prompts and completions of recorded rollouts as the lab shows them: text as it is, messages with who speaks.

Unlike the rows that training reads (``turns.py``), these may hold calls of tools and what tools returned: they are shown, and never trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut

ROLES = ("system", "user", "assistant")

Turns = tuple[dict[str, str], ...]


def prompt_parts(row: Mapping[str, Any], column: str) -> tuple[str, Turns]:
    """What was asked: the text, and the messages of a conversation, whose last words are then the text. Raises NotUsable."""
    value = row.get(column)
    if column not in row or value is None:
        raise NotUsable(WhyLeftOut.MISSING, column)
    if isinstance(value, str):
        if not value:
            raise NotUsable(WhyLeftOut.EMPTY, column)
        return value, ()
    return message_parts(value, column)


def message_parts(value: Any, column: str) -> tuple[str, Turns]:
    """The last words of messages, and all of them where there are more. Raises NotUsable."""
    messages = list(_messages(value, column))
    if not messages:
        raise NotUsable(WhyLeftOut.EMPTY, column)
    turns = tuple({"role": role if role in ROLES else "user", "content": content} for role, content in messages)
    last = next((content for role, content in reversed(messages) if role == "user"), messages[-1][1])
    return last, turns if len(turns) > 1 else ()


def completion_text(row: Mapping[str, Any], column: str) -> str:
    """What the model wrote: its one message as text, several with the names of who speaks. It may be empty. Raises NotUsable."""
    value = row.get(column)
    if column not in row or value is None:
        raise NotUsable(WhyLeftOut.MISSING, column)
    return value if isinstance(value, str) else messages_text(value, column)


def messages_text(value: Any, column: str) -> str:
    """One message of the assistant is its text; more are told apart by their roles. Raises NotUsable."""
    messages = list(_messages(value, column))
    if len(messages) == 1 and messages[0][0] == "assistant":
        return messages[0][1]
    return "\n\n".join(f"[{role}]\n{content}" for role, content in messages)


def _messages(value: Any, column: str) -> Sequence[tuple[str, str]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) for item in value):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    return [(str(item.get("role") or "user"), content_of(item)) for item in value]


def content_of(message: Mapping[str, Any]) -> str:
    """A message's text: what was thought, what is said, and the tools that are called."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(
            str(part.get("text") or f"[{part.get('type')}]") for part in content if isinstance(part, Mapping)
        )
    thought = message.get("reasoning_content") or message.get("reasoning")
    calls = [json.dumps(call, ensure_ascii=False, default=str) for call in message.get("tool_calls") or ()]
    parts = [f"<think>{thought}</think>" if thought else "", str(content or ""), *calls]
    return "\n".join(part for part in parts if part)
