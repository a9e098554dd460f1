"""Selects the judged pairs that a run measures but never trains on, and removes their prompts from the training rows.

Not here: what is measured on them (``lab/training/measure/agreement.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from lab.data.turns import Prompt, as_conversation
from lab.errors import DatasetError

MOST_WATCHED = 256
TAKEN_OF = 10
"""At most one in ten training prompts is removed because a watched pair has it (at least one prompt may be)."""

Row = dict[str, Any]


def set_apart(
    train: Sequence[Row], pairs: Sequence[Row], name: str, most: int = MOST_WATCHED
) -> tuple[list[Row], tuple[Row, ...]]:
    """``(train, watched)``: at most ``most`` of the pairs, and what is left to train on without any prompt of theirs.

    Pairs on prompts that are not trained on come first. Which of many is decided by a hash of their texts, so it is the same for
    every run. Raises DatasetError ``watch_none`` where the training would lose too many of its prompts for any of them.
    """
    trained = {_key(row["prompt"]) for row in train}
    room = max(1, len(trained) // TAKEN_OF) if len(trained) > 1 else 0
    taken: set[str] = set()
    watched: list[Row] = []
    mixed = sorted(pairs, key=lambda pair: hashlib.sha256(json.dumps(pair, sort_keys=True).encode()).digest())
    for pair in sorted(mixed, key=lambda pair: _key(pair["prompt"]) in trained):
        if len(watched) == most:
            break
        prompt = _key(pair["prompt"])
        if prompt in trained and prompt not in taken:
            if len(taken) == room:
                continue
            taken.add(prompt)
        watched.append(pair)
    if not watched:
        raise DatasetError("watch_none", value=name, count=len(pairs))
    return [row for row in train if _key(row["prompt"]) not in taken], tuple(watched)


def _key(prompt: Prompt) -> str:
    """The same for a question and for the one message that asks it."""
    return json.dumps(as_conversation(prompt), sort_keys=True)
