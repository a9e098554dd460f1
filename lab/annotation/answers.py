"""Answers that models gave in a conversation, as pairs to be judged blind: every two that differ, at the same conversation.

Not here: where the answers come from (``lab/server/play.py``); pairs of runs and jobs (``sources.py``).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lab.core.chats import MOST_TURNS, ChatTurn
from lab.core.preferences import Message, Pair, Prompt, Response, make_pair
from lab.errors import StateError

MOST_PAIRS = 64
"""Pairs of one question: three models with 16 completions each would give over a thousand."""


class Answer(BaseModel):
    """What a model answered to a conversation."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=400)
    turns: list[ChatTurn] = Field(min_length=1, max_length=MOST_TURNS)
    text: str = Field(max_length=200_000)


def pairs_of_answers(answers: Iterable[Answer]) -> tuple[list[Pair], int]:
    """The pairs, at most ``MOST_PAIRS`` of them drawn, always the same ones, and how many there were.

    A text that two models wrote alike counts once, for the first. Raises StateError where no two answers to one conversation differ.
    """
    by_prompt: dict[Prompt, dict[str, Response]] = {}
    for answer in answers:
        if answer.text.strip():
            texts = by_prompt.setdefault(_prompt(answer.turns), {})
            texts.setdefault(answer.text.strip(), Response(text=answer.text, source=answer.model))
    pairs = {
        pair.id: pair
        for prompt, texts in by_prompt.items()
        for first, second in combinations(texts.values(), 2)
        if (pair := make_pair(prompt, first, second))
    }
    if not pairs:
        raise StateError("pairs_none_in_answers")
    chosen = list(pairs.values())
    random.Random(0).shuffle(chosen)
    return chosen[:MOST_PAIRS], len(pairs)


def _prompt(turns: list[ChatTurn]) -> Prompt:
    """One question is text; more is messages."""
    if len(turns) == 1:
        return turns[0].content
    return tuple(Message(**turn.model_dump()) for turn in turns)


def plain(answer: Answer) -> list[dict[str, Any]]:
    """The conversation with its answer, as a row of demonstrations has it."""
    return [*(turn.model_dump() for turn in answer.turns), {"role": "assistant", "content": answer.text}]
