"""For chat templates that know no system role: the system text moves to the beginning of the first question.

A recipe asks for it with ``system_in_first_turn``. Not here: which templates refuse the role (``lab/training/models/checks.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.data.turns import SYSTEM, USER, Prompt

BETWEEN = "\n\n"
"""Between the system text and the question."""


def folded(prompt: Prompt) -> Prompt:
    """A prompt without system messages: their text stands before the next question. What no question follows stays as it is."""
    if isinstance(prompt, str):
        return prompt
    turns, waiting = [], []
    for message in prompt:
        if message["role"] == SYSTEM:
            waiting.append(message)
        elif message["role"] == USER and waiting:
            texts = [each["content"] for each in (*waiting, message) if each["content"].strip()]
            turns.append({**message, "content": BETWEEN.join(texts)})
            waiting = []
        else:
            turns += [*waiting, message]
            waiting = []
    return [*turns, *waiting]


def folded_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their prompts folded."""
    return [{**row, "prompt": folded(row["prompt"])} for row in rows]
