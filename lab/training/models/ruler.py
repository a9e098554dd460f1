"""Measures rows in a model's tokens, and whether the two sides of a pair still differ once cut.

A token has at least one byte, so a row is tokenised only where its bytes are more than the room.

Not here: what becomes of a row that is too long (``length_filter.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.data.datasets import Row
from lab.data.turns import Prompt, Turns, as_conversation
from lab.store.models import ModelRef
from lab.training.models.base import load_tokens
from lab.training.models.checks import context_of as config_context
from lab.training.models.checks import read_config
from lab.training.models.tokens import Tokens

COMPLETIONS = ("completion", "chosen", "rejected")
THOUGHT = "</think>"
COUNTED = 256
"""Rows whose tokens are counted to learn the longest of many; of the others the bytes are enough."""


class Ruler:
    """Measures rows in the tokens of one model."""

    def __init__(self, ref: ModelRef) -> None:
        self.tokens: Tokens = load_tokens(ref)
        self._template = len(self.tokens.encode("a", "a").ids)
        """Tokens that are taken for what the template adds to a turn."""

    def within(self, row: Row, room: int, *, with_completion: bool = True) -> bool:
        """Whether the prompt, or each of its completions with the prompt, has at most ``room`` tokens."""
        return all(self._within(row["prompt"], text, room) for text in _completions(row, with_completion))

    def longest(self, row: Row, *, with_completion: bool = True) -> int:
        """The tokens of the same, of the longest."""
        return max(self._count(row["prompt"], text) for text in _completions(row, with_completion))

    def lengths(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row, shape (len(rows),), the longest first as far as bytes tell; never too few.

        The first ``COUNTED`` are counted; of the others it is told how many they have at most, by their bytes.
        """
        ordered = sorted(rows, key=self._at_most, reverse=True)
        return [self.longest(row) for row in ordered[:COUNTED]] + [self._at_most(row) for row in ordered[COUNTED:]]

    def equal_once_cut(self, row: Row, room: int) -> bool:
        """Whether chosen and rejected are the same tokens, of which a model reads the first ``room``."""
        if not _alike(row) and not _thinks(row) and self.within(row, room):
            return False
        first, second = self.tokens.encode_pair(row["prompt"], row["chosen"], row["rejected"])
        return first.ids[:room] == second.ids[:room]

    def leaves_nothing(self, row: Row) -> bool:
        """Whether the template leaves nothing of the completion to learn but its end, as thinking templates do with a thought alone."""
        if not _thinks(row) or "completion" not in row:
            return False
        encoded = self.tokens.encode(row["prompt"], row["completion"])
        return not self.tokens.tokenizer.decode(encoded.ids[encoded.begin : encoded.end]).strip()

    def _within(self, prompt: Prompt, completion: str | None, room: int) -> bool:
        turns = as_conversation(prompt)
        return self._bound(turns, completion) <= room or self._count(prompt, completion) <= room

    def _at_most(self, row: Row) -> int:
        """More tokens than a row has with any of its completions."""
        return max(
            self._bound(as_conversation(row["prompt"]), text) for text in _completions(row, with_completion=True)
        )

    def _bound(self, turns: Turns, completion: str | None) -> int:
        size = _bytes_of(completion or "") + sum(_bytes_of(message["content"]) for message in turns)
        return size + self._template * (len(turns) + 1)

    def _count(self, prompt: Prompt, completion: str | None) -> int:
        tokens = self.tokens
        if completion is None:
            return len(tokens.asked(prompt))
        return len(tokens.finished(prompt, completion))


def context_of(base: str) -> int | None:
    """What the model's config.json says of its context, in tokens; None where it says nothing."""
    return config_context(read_config(base)) if (Path(base) / "config.json").is_file() else None


def _completions(row: Row, with_completion: bool) -> list[str | None]:
    """What must fit behind the prompt: nothing (the prompt is asked), or each of its completions."""
    return [row[name] for name in COMPLETIONS if name in row] if with_completion else [None]


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _thinks(row: Row) -> bool:
    """Whether a completion has a thought, which templates of thinking models leave out."""
    return any(THOUGHT in row[name] for name in COMPLETIONS if name in row)


def _alike(row: Row) -> bool:
    """Whether both responses differ in nothing but case and white space, which some tokenizers pass over."""
    chosen, rejected = (" ".join(row[side].casefold().split()) for side in ("chosen", "rejected"))
    return bool(chosen == rejected)
