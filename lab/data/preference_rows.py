"""Preferences in one row: the prompt up to the user's last word, one answer on either side, or lists of good and bad answers.

Rows come with ``prompt, chosen, rejected`` whatever their file called them (``forms.py``); a row without ``prompt`` has it within
its sides. Pairs that people judge in the lab are defined in ``lab/core/preferences.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.prompt_rows import asked, question, refuse_what_is_no_text, whole_prompt
from lab.data.turns import ASSISTANT, SYSTEM, USER, Turns, is_conversation, prompt_from, text, turns, unpacked

Row = dict[str, Any]


def preferences_of(row: Mapping[str, Any]) -> list[Row]:
    """The preferences of a row: one, or several where a side is a list of answers. Raises NotUsable with the reason.

    Of lists, each answer of the longer side meets one of the shorter, in turn: every answer is used, and none is multiplied.
    """
    chosen, rejected = answers_of(row.get("chosen")), answers_of(row.get("rejected"))
    if chosen is None and rejected is None:
        return [one_preference(row)]
    if not chosen and not rejected:
        raise NotUsable(WhyLeftOut.EMPTY, "chosen")
    goods, bads = chosen or [row.get("chosen")], rejected or [row.get("rejected")]
    pairs = []
    for place in range(max(len(goods), len(bads))):
        sides = {"chosen": goods[place % len(goods)], "rejected": bads[place % len(bads)]}
        pairs.append(one_preference({**row, **sides}))
    return pairs


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
    shaped: Row = {
        "prompt": prompt_from(prompt),
        "chosen": chosen[0]["content"],
        "rejected": rejected[0]["content"],
    }
    return shaped | ({"category": category} if category else {})


def prompt_turns(row: Mapping[str, Any]) -> Turns:
    """The prompt of a row of preferences as messages that end with the user's. Raises NotUsable."""
    if "prompt" in row:
        return _wider(asked(row), row)
    refuse_what_is_no_text(row)
    chosen, rejected = turns(row, "chosen", ASSISTANT), turns(row, "rejected", ASSISTANT)
    return whole_prompt(row, question(_shared(chosen, rejected)))


def _wider(prompt: Turns, row: Mapping[str, Any]) -> Turns:
    """The prompt, or what the chosen side says before its answer where that holds the prompt and more (system text, earlier turns)."""
    try:
        before = turns(row, "chosen", ASSISTANT)[:-1] if is_conversation(row.get("chosen")) else []
    except NotUsable:
        return prompt
    return before if len(before) > len(prompt) and belongs(before, prompt) and before[-1]["role"] == USER else prompt


def _split(row: Mapping[str, Any]) -> tuple[Turns, Turns, Turns]:
    """The prompt and the two sides without what they repeat of it."""
    chosen, rejected = turns(row, "chosen", ASSISTANT), turns(row, "rejected", ASSISTANT)
    if "prompt" not in row:
        shared = _shared(chosen, rejected)
        if min(len(chosen), len(rejected)) > 1 and len(shared) < max(len(chosen), len(rejected)) - 1:
            raise NotUsable(WhyLeftOut.PARTS_EARLY)
        return prompt_turns(row), chosen[len(shared) :], rejected[len(shared) :]
    prompt = asked(row)
    before = [side[:-1] for side in (chosen, rejected) if len(side) > 1]
    if not before or not all(any(message["role"] == USER for message in side) for side in before):
        return prompt, chosen, rejected
    if len(before) == 2 and not _same(*before):
        if all(belongs(side, prompt) for side in before):
            raise NotUsable(WhyLeftOut.PARTS_EARLY)
        raise NotUsable(WhyLeftOut.OTHER_PROMPT, "rejected" if belongs(before[0], prompt) else "chosen")
    if not belongs(before[0], prompt):
        raise NotUsable(WhyLeftOut.OTHER_PROMPT, "chosen" if len(chosen) > 1 else "rejected")
    if len(before[0]) > len(prompt):  # the column holds one question of the conversation, the sides all of it
        prompt = question(before[0])
    return prompt, chosen[-1:], rejected[-1:]


def _shared(chosen: Turns, rejected: Turns) -> Turns:
    """What two whole chats begin with alike, without the last message of either."""
    shared: Turns = []
    for message, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if not _same([message], [other]):
            break
        shared.append(message)
    return shared


def _same(some: Turns, others: Turns) -> bool:
    """Whether messages are alike; blanks around them do not count."""
    return [_key(message) for message in some] == [_key(message) for message in others]


def _key(message: Mapping[str, str]) -> tuple[str, str]:
    return message["role"], message["content"].strip()


def belongs(before: Turns, prompt: Turns) -> bool:
    """Whether a side's own messages before its answer are the prompt, or have its one question among them."""
    plain = [message for message in prompt if message["role"] != SYSTEM]
    if _same(before, prompt) or _same(before, plain):
        return True
    return len(plain) == 1 and len(before) > len(plain) and _key(plain[0]) in [_key(message) for message in before]


def answers_of(value: Any) -> list[Any] | None:
    """A cell that is a list of answers, as that list; None where it is one answer, or messages."""
    value = unpacked(value, '["')
    if not isinstance(value, (list, tuple)) or not value:
        return None
    alike = any(all(isinstance(answer, kind) for answer in value) for kind in (str, (list, tuple)))
    return list(value) if alike else None
