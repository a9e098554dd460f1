"""Messages that a file holds as text: JSON in a string, what pandas prints, transcripts (``Human: … Assistant: …``), chat templates.

Only which text is a conversation, and who says what in it, is decided here; messages are checked in ``turns.py``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from lab.data.templated_turns import templated_turns

Items = list[dict[str, Any]]

LONGEST_LITERAL = 1_000_000
"""Characters of a Python literal that are parsed: the parser needs many times its size in memory."""

_MAY_BE = re.compile(
    r"\s*(?:[\[{<]|array\(|###|(?:<s>)?\s*\[INST\]|Below is an|Human:|User:|System:|USER:|A chat between )"
)
"""What a text begins with that may be messages: nearly all texts are told apart by it at once."""
_LISTED = re.compile(
    r"\s*(?:array\()?\[?\s*\{\s*['\"](?:role|from|content|value|text|type|human|speaker|weight|name)['\"]\s*:"
)
_ARRAY_END = re.compile(r"\],\s*dtype=object\)\s*$")
_BETWEEN = re.compile(r"\}\s*\n\s*\{")
"""numpy prints a list of dicts without commas, one on each line; a new line within a text is printed as two characters."""

_HUMAN = re.compile(r"\s*(?:Human|User|System):\s")
_TURN = re.compile(r"(?:^\s*|\n[ \t]*\n\s*)(Human|User|Assistant|System):(?:[ \t]|(?=\n)|$)")
_CLOSE_TURN = re.compile(r"(?:^\s*|\n)(Human|User|Assistant|System):(?:[ \t]|(?=\n)|$)")
"""The same where no empty line stands between the turns."""
_HEADED = re.compile(r"\s*###\s*(?:Human|User):")
_HEADED_TURN = re.compile(r"(?:^|\s*)###\s*(Human|User|Assistant|System):\s?")
_INST_TURN = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=</?s>|\[INST\]|$)", re.DOTALL)
"""Llama 2's and Mistral's."""
_SYSTEM_OF_LLAMA = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>(.*)", re.DOTALL)
_TASK = re.compile(
    r"(Below is an .*?)?\s*###\s*Instruction:(.*?)(?:###\s*Input:(.*?))?###\s*(?:Response|Output|Answer):(.*)",
    re.DOTALL,
)
"""Alpaca's prompt with its answer; what may stand before it is system text."""
_SPOKEN = {"human": "user", "user": "user", "assistant": "assistant", "system": "system"}


def written_turns(cell: str) -> tuple[Items, str] | None:
    """The messages of a text and how it was written (``json``, ``python``, ``transcript``, ``chatml``); None where it is plain text."""
    if not _MAY_BE.match(cell):
        return None
    start = cell.lstrip()[:16]
    if _LISTED.match(cell):
        return _listed(cell)
    if (templated := templated_turns(cell)) is not None:
        return _without_opening(templated), "chatml"
    if _HUMAN.match(cell):
        return _split(cell, _TURN) or _split(cell, _CLOSE_TURN)
    if start.startswith("###") and _HEADED.match(cell):
        return _split(cell, _HEADED_TURN)
    return _task(cell) or _of_llama(cell)


def _task(cell: str) -> tuple[Items, str] | None:
    """Alpaca's prompt as it is printed (``### Instruction: … ### Input: … ### Response: …``)."""
    match = _TASK.fullmatch(cell)
    if match is None:
        return None
    before, instruction, more, answer = ((part or "").strip() for part in match.groups())
    question = f"{instruction}\n{more}" if more else instruction
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer.removesuffix("</s>").strip()},
    ]
    return _without_opening([{"role": "system", "content": before}, *turns] if before else turns), "transcript"


def _of_llama(cell: str) -> tuple[Items, str] | None:
    """``<s>[INST] … [/INST] … </s>``, with system text in the first question or none."""
    turns: Items = []
    for asked, answer in _INST_TURN.findall(cell):
        if not turns and (system := _SYSTEM_OF_LLAMA.match(asked)):
            turns.append({"role": "system", "content": system.group(1).strip()})
            asked = system.group(2)
        turns += [{"role": "user", "content": asked.strip()}, {"role": "assistant", "content": answer.strip()}]
    return (_without_opening(turns), "transcript") if turns else None


def _listed(cell: str) -> tuple[Items, str] | None:
    try:
        value, how = json.loads(cell), "json"
    except (ValueError, RecursionError):
        value, how = _literal(cell), "python"
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not items or not all(_is_message(item) for item in items):
        return None
    return items, how


def _literal(cell: str) -> Any:
    """A Python literal as its value, None where it is none. ``literal_eval`` runs nothing."""
    if len(cell) > LONGEST_LITERAL:
        return None
    text = _BETWEEN.sub("}, {", _ARRAY_END.sub("]", cell.strip().removeprefix("array(")))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _is_message(item: object) -> bool:
    return isinstance(item, Mapping) and any(
        wanted <= item.keys()
        for wanted in ({"role"}, {"from", "value"}, {"speaker"}, {"human", "assistant"}, {"type", "text"})
    )


def _split(cell: str, pattern: re.Pattern[str]) -> tuple[Items, str] | None:
    """The turns of a transcript; None where only one side speaks, as in a question that begins with a name."""
    pieces = pattern.split(cell)
    spoken = [
        {"role": _SPOKEN[who.lower()], "content": content.strip()}
        for who, content in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    if not any(turn["role"] == "assistant" for turn in spoken):
        return None
    return _without_opening(spoken), "transcript"


def _without_opening(turns: Items) -> Items:
    """Without the empty last turn of the assistant, which only invites an answer (``…\\n\\nAssistant:``)."""
    if len(turns) > 1 and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        return turns[:-1]
    return turns
