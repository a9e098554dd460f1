"""The prompt of one row: the question with system text, earlier turns, context and options.

A row with pictures or tools is left out. Answers are read by ``completion_rows.py``, ``preference_rows.py`` and their siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.option_rows import with_options
from lab.data.turns import ASSISTANT, SYSTEM, USER, Turns, is_missing, is_plain, text, turns, unpacked, wanted_text

SYSTEMS = ("system", "system_prompt", "system_message")
PICTURES = (
    "images", "image", "videos", "video", "audios", "audio", "pictures", "picture", "image_path", "image_paths", "image_url",
    "image_urls", "image_file", "image_files", "image_base64", "video_path", "video_url", "audio_path", "audio_url", "audio_file",
)  # fmt: skip
TOOLS = ("tools", "functions")
CONTEXTS = ("context", "passage", "input")
"""Text that a question refers to. ``input`` is put after the question, as in Alpaca; the others before it."""
PLACEHOLDERS = ("<image>", "<video>", "<audio>")
HISTORY = "history"
MEANINGS = (*SYSTEMS, *PICTURES, *TOOLS, *CONTEXTS, HISTORY)
"""The columns that are read wherever they stand beside a prompt."""

Row = Mapping[str, Any]


def refuse_what_is_no_text(row: Row) -> None:
    """Raise NotUsable for a row with pictures, or with tools that the model may call."""
    for column in (*PICTURES, *TOOLS):
        if column in row and _is_there(row[column]):
            raise NotUsable(WhyLeftOut.TOOLS if column in TOOLS else WhyLeftOut.IMAGES, column)


def asked(row: Row, column: str = "prompt", speaker: str = USER) -> Turns:
    """The prompt as messages that end with the user's: system text, earlier turns, the question with its context and options.

    Raises NotUsable with the reason.
    """
    refuse_what_is_no_text(row)
    messages = question(turns(row, column, speaker))
    return whole_prompt(row, messages)


def whole_prompt(row: Row, messages: Turns) -> Turns:
    """Messages that end with the user's, with the row's context, earlier turns and system text."""
    last = with_context(row, messages[-1]["content"])
    messages = [*earlier(row), *messages[:-1], {"role": USER, "content": last}]
    for mark in PLACEHOLDERS:
        if any(mark in message["content"] for message in messages):
            raise NotUsable(WhyLeftOut.IMAGES, mark)
    return with_system(row, messages)


def with_system(row: Row, messages: Turns) -> Turns:
    """The messages with the row's system text before them. Raises NotUsable where they begin with another system text."""
    for column in SYSTEMS:
        system = text(row.get(column))
        if not system.strip():
            if column in row and not is_plain(row[column]):
                raise NotUsable(WhyLeftOut.NOT_TEXT, column)
            continue
        if messages[0]["role"] != SYSTEM:
            messages = [{"role": SYSTEM, "content": system}, *messages]
        elif messages[0]["content"].strip() != system.strip():
            raise NotUsable(WhyLeftOut.TWO_SYSTEMS, column)
    return messages


def with_context(row: Row, asked_last: str) -> str:
    """A question with the text that it refers to, and with its options."""
    for column in CONTEXTS:
        value = row.get(column)
        if not _is_there(value):
            continue
        if not is_plain(value):
            raise NotUsable(WhyLeftOut.NOT_TEXT, column)
        context = wanted_text(row, column)
        if f"\n{context.strip()}\n" in f"\n{asked_last}\n":  # the prompt has it already, in lines of its own
            continue
        asked_last = (
            f"{asked_last}\n{context}" if column == "input" or "instruction" in row else f"{context}\n\n{asked_last}"
        )
    return with_options(row, asked_last)


def earlier(row: Row) -> Turns:
    """Alpaca's ``history`` as messages: ``[[question, answer], …]``, or messages. Raises NotUsable where it is neither."""
    value = unpacked(row.get(HISTORY))
    if isinstance(value, str) and value.lstrip().startswith("["):  # no JSON
        return turns(row, HISTORY, USER)
    if not _is_there(value):
        return []
    if not isinstance(value, (list, tuple)):
        raise NotUsable(WhyLeftOut.NOT_TEXT, HISTORY)
    if all(isinstance(item, (list, tuple)) for item in value):
        messages: Turns = []
        for item in value:
            if len(item) != 2 or not all(isinstance(part, str) and part.strip() for part in item):
                raise NotUsable(WhyLeftOut.NOT_TEXT, HISTORY)
            messages += [{"role": USER, "content": text(item[0])}, {"role": ASSISTANT, "content": text(item[1])}]
        return messages
    return turns({HISTORY: value}, HISTORY, USER)


def question(prompt: Turns) -> Turns:
    """Return the prompt unchanged. Raises NotUsable where it does not end with the user's message."""
    if not prompt or prompt[-1]["role"] != USER:
        raise NotUsable(WhyLeftOut.NO_QUESTION)
    return prompt


def _is_there(value: Any) -> bool:
    """Whether a cell holds anything: empty lists, empty text and ``[]`` in a spreadsheet do not."""
    if is_missing(value) or value is False:
        return False
    if isinstance(value, str):
        return value.strip() not in ("", "[]", "{}", "null", "None", "nan")
    return bool(value) if isinstance(value, (list, tuple, dict)) else True
