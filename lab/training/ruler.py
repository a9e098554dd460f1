"""How many tokens a row has in a model's tokenizer, counted only where its bytes leave a doubt, and whether a pair survives a cut.

Not here: what becomes of a row that is too long (``fitting.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.data.datasets import Row
from lab.data.turns import Turns, as_conversation
from lab.store.models import ModelRef
from lab.training.base import load_tokenizer
from lab.training.task import as_answer

TEMPLATE = 256
"""More bytes than a chat template adds to a conversation: one that is short even so need not be counted."""
COMPLETIONS = ("completion", "chosen", "rejected")
CANDIDATES = 64
"""Rows whose tokens are counted to learn the longest of many, and as many for the 99th percentile."""


class Ruler:
    """Measures rows in the tokens of one model."""

    def __init__(self, ref: ModelRef) -> None:
        self._ref = ref
        self._tokenizer: Any = None
        self._template = TEMPLATE
        """Bytes that are taken for the template: a turn's, once the tokenizer is there."""

    def within(self, row: Row, room: int, *, with_completion: bool = True) -> bool:
        """Whether the prompt, or each of its completions with the prompt, has at most ``room`` tokens."""
        return all(self._within(turns, asked, room) for turns, asked in _conversations(row, with_completion))

    def longest(self, row: Row, *, with_completion: bool = True) -> int:
        """The tokens of the same, of the longest."""
        return max(_count(self._ready(), turns, asked) for turns, asked in _conversations(row, with_completion))

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row, shape (len(rows),), as near as ``max_length_for`` needs them, the longest first.

        Counted are the rows with the most bytes and some at the 99th percentile; the rest is told to be as long as the latter.
        """
        ordered = sorted(rows, key=_bytes, reverse=True)
        counted = sorted((self.longest(row) for row in ordered[:CANDIDATES]), reverse=True)
        rest = len(ordered) - len(counted)
        if not rest:
            return counted
        at = max(CANDIDATES, len(ordered) // 100)
        usual = max(self.longest(row) for row in ordered[at : at + CANDIDATES])
        return [*counted, *[usual] * rest]

    def equal_once_cut(self, row: Row, room: int) -> bool:
        """Whether chosen and rejected are the same tokens, of which a model reads the first ``room``."""
        if not _alike(row) and self.within(row, room):
            return False
        first, second = (_ids(self._ready(), turns, asked)[:room] for turns, asked in _conversations(row, True))
        return first == second

    def _within(self, turns: Turns, asked: bool, room: int) -> bool:
        size = sum(len(message["content"].encode("utf-8", "replace")) for message in turns)
        if self._tokenizer is None and size + TEMPLATE <= room:
            return True
        tokenizer = self._ready()
        return size + self._template * len(turns) <= room or _count(tokenizer, turns, asked) <= room

    def _ready(self) -> Any:
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._ref)
            self._template = _count(self._tokenizer, [*as_conversation("a"), *as_answer("a")], asked=True)
        return self._tokenizer


def context_of(base: str) -> int | None:
    """What the model's config.json says of its context, in tokens; None where it says nothing."""
    try:
        config = json.loads((Path(base) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    found = config.get("text_config", config).get("max_position_embeddings")
    return int(found) if found else None


def prompt_tokens(tokenizer: Any, row: Row) -> int:
    """The length of a row's prompt, with what the chat template adds."""
    return _count(tokenizer, as_conversation(row["prompt"]), asked=True)


def _conversations(row: Row, with_completion: bool) -> list[tuple[Turns, bool]]:
    """What must fit: the prompt alone, asked, or the prompt with each of its completions."""
    prompt = as_conversation(row["prompt"])
    if not with_completion:
        return [(prompt, True)]
    return [([*prompt, *as_answer(row[name])], False) for name in COMPLETIONS if name in row]


def _bytes(row: Row) -> int:
    prompt = row["prompt"] if isinstance(row["prompt"], str) else "".join(turn["content"] for turn in row["prompt"])
    longest = max((row[name] for name in COMPLETIONS if name in row), key=len, default="")
    return len(prompt.encode("utf-8", "replace")) + len(longest.encode("utf-8", "replace"))


def _alike(row: Row) -> bool:
    """Whether both responses differ in nothing but case and white space, which some tokenizers pass over."""
    chosen, rejected = (" ".join(row[side].casefold().split()) for side in ("chosen", "rejected"))
    return bool(chosen == rejected)


def _count(tokenizer: Any, turns: Turns, asked: bool) -> int:
    return len(_ids(tokenizer, turns, asked))


def _ids(tokenizer: Any, turns: Turns, asked: bool) -> list[int]:
    return list(tokenizer.apply_chat_template(turns, add_generation_prompt=asked, return_dict=True)["input_ids"])
