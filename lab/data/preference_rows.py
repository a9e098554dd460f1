"""One row of preferences, with its messages put in order: the prompt up to the user's last word, one answer on either side.

Rows come with ``prompt, chosen, rejected`` whatever their file called them (``forms.py``); a row without ``prompt`` has it within
its sides. What people judge in the lab is no file: that is ``lab/core/preferences.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import ASSISTANT, USER, Turns, text, turns

Row = dict[str, Any]


def one_preference(row: Mapping[str, Any]) -> Row:
    """``prompt, chosen, rejected``, and ``category`` where it is there. Raises NotUsable with the reason.

    The prompt is text where it is one question, else messages; the sides are text.
    """
    prompt, chosen, rejected = _split(row)
    for column, side in (("chosen", chosen), ("rejected", rejected)):
        if len(side) != 1 or side[0]["role"] != ASSISTANT:
            raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, column)
    if chosen[0]["content"].strip() == rejected[0]["content"].strip():
        raise NotUsable(WhyLeftOut.EQUAL_SIDES)
    category = text(row.get("category"))
    alone = len(prompt) == 1  # the last message is the user's: one message is one question
    shaped: Row = {
        "prompt": prompt[0]["content"] if alone else prompt,
        "chosen": chosen[0]["content"],
        "rejected": rejected[0]["content"],
    }
    return shaped | ({"category": category} if category else {})


def prompt_turns(row: Mapping[str, Any]) -> Turns:
    """The prompt of a row of preferences as messages that end with the user's. Raises NotUsable."""
    if "prompt" in row:
        return _question(turns(row, "prompt", USER))
    chosen, rejected = turns(row, "chosen", ASSISTANT), turns(row, "rejected", ASSISTANT)
    return _question(_shared(chosen, rejected))


def _split(row: Mapping[str, Any]) -> tuple[Turns, Turns, Turns]:
    """The prompt and the two sides without what they repeat of it."""
    prompt = prompt_turns(row)
    chosen, rejected = turns(row, "chosen", ASSISTANT), turns(row, "rejected", ASSISTANT)
    if len(chosen) > len(prompt) and len(rejected) > len(prompt):
        size = len(prompt)
        if chosen[:size] == prompt == rejected[:size]:
            return prompt, chosen[size:], rejected[size:]
    return prompt, chosen, rejected


def _shared(chosen: Turns, rejected: Turns) -> Turns:
    """What two whole chats begin with alike, without the last message of either."""
    shared: Turns = []
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        shared.append(one)
    return shared


def _question(prompt: Turns) -> Turns:
    if not prompt or prompt[-1]["role"] != USER:
        raise NotUsable(WhyLeftOut.NO_QUESTION)
    return prompt
