"""Which rows a model has room for; the others are left out and counted, before any weight is loaded.

Left out is a prompt that leaves no room for its completion, and for a reward model a pair of which one side is longer than
``max_length``: trl's RewardTrainer passes over it, since the end of a response that is cut is not what was judged. Other completions
that are too long are cut by the trainers; no row is lost by it. Nothing is measured on a completion that would be cut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.core.recipes import EQUATIONS, Recipe, SampledRecipe
from lab.data.datasets import Dataset, Row
from lab.data.left_out import WhyLeftOut
from lab.data.turns import Turns, as_conversation
from lab.errors import DatasetError
from lab.store.models import ModelRef, resolve
from lab.training.models.base import load_tokenizer
from lab.training.task import as_answer

TEMPLATE = 256
"""More bytes than a chat template adds to a conversation: one that is short even so need not be counted."""
COMPLETIONS = ("completion", "chosen", "rejected")


def fitting(recipe: Recipe, dataset: Dataset, home: Path) -> Dataset:
    """The dataset without the rows that are too long; how many those are goes to the log. Raises DatasetError where all are."""
    whole = too_long(recipe) is WhyLeftOut.PAIR_TOO_LONG
    if recipe.algorithm == "pretrain" or (recipe.dataset == EQUATIONS and not whole):
        return dataset
    ref = resolve(recipe.model, home)
    room, rows_room = room_for_prompts(recipe, ref.base), room_for_rows(recipe, ref.base)
    if room is None:
        return dataset
    ruler = Ruler(ref)

    def fits(row: Row, with_completion: bool) -> bool:
        return ruler.within(row, rows_room) if with_completion else ruler.within(row, room, with_completion=False)

    train = [row for row in dataset.train if fits(row, whole)]
    if not train and dataset.train:
        raise _nothing(recipe, dataset.train, ruler, rows_room if whole else room)
    if left_out := len(dataset.train) - len(train):
        rows, what = ("pairs", "of which a side is") if whole else ("rows", "whose prompt is")
        longest = rows_room if whole else room
        print(f"left out: {left_out} of {len(dataset.train)} {rows}, {what} longer than {longest} tokens", flush=True)
    held_out = [row for row in dataset.held_out if fits(row, "completion" in row)]
    pairs = tuple(row for row in dataset.held_out_pairs if fits(row, True))
    measured = len(dataset.held_out) + len(dataset.held_out_pairs)
    if not_measured := measured - len(held_out) - len(pairs):
        print(f"not measured on: {not_measured} of {measured} held-out rows, which are too long", flush=True)
    if not left_out and not not_measured:
        return dataset
    return replace(dataset, train=train, held_out=held_out, held_out_pairs=pairs)


def too_long(recipe: Recipe) -> WhyLeftOut:
    """Why a row of this recipe's is left out where it is too long."""
    return WhyLeftOut.PAIR_TOO_LONG if recipe.algorithm == "rm" else WhyLeftOut.PROMPT_TOO_LONG


def room_for_prompts(recipe: Recipe, base: str) -> int | None:
    """How many tokens a prompt may have; None where the model tells no context."""
    if isinstance(recipe, SampledRecipe):
        context = _context(base)
        return None if context is None else context - recipe.max_completion_length
    return room_for_rows(recipe, base) - 1  # one token of the completion, at least


def room_for_rows(recipe: Recipe, base: str) -> int:
    """How many tokens a prompt and its completion may have together."""
    longest = int(getattr(recipe, "max_length", 0))
    return min(longest, _context(base) or longest)


def prompt_tokens(tokenizer: Any, row: Row) -> int:
    """The length of a row's prompt, with what the chat template adds."""
    return _tokens(tokenizer, as_conversation(row["prompt"]), asked=True)


class Ruler:
    """Says whether rows are within a number of tokens, and counts those only whose bytes leave a doubt."""

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
        return max(_tokens(self._ready(), turns, asked) for turns, asked in _conversations(row, with_completion))

    def _within(self, turns: Turns, asked: bool, room: int) -> bool:
        size = sum(len(message["content"].encode("utf-8", "replace")) for message in turns)
        if self._tokenizer is None and size + TEMPLATE <= room:
            return True
        tokenizer = self._ready()
        return size + self._template * len(turns) <= room or _tokens(tokenizer, turns, asked) <= room

    def _ready(self) -> Any:
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._ref)
            self._template = _tokens(self._tokenizer, [*as_conversation("a"), *as_answer("a")], asked=True)
        return self._tokenizer


def _conversations(row: Row, with_completion: bool) -> list[tuple[Turns, bool]]:
    """What must fit: the prompt alone, asked, or the prompt with each of its completions."""
    prompt = as_conversation(row["prompt"])
    if not with_completion:
        return [(prompt, True)]
    return [([*prompt, *as_answer(row[name])], False) for name in COMPLETIONS if name in row]


def _tokens(tokenizer: Any, turns: Turns, asked: bool) -> int:
    return len(tokenizer.apply_chat_template(turns, add_generation_prompt=asked, return_dict=True)["input_ids"])


def _nothing(recipe: Recipe, rows: Sequence[Row], ruler: Ruler, room: int) -> DatasetError:
    whole = too_long(recipe) is WhyLeftOut.PAIR_TOO_LONG
    shortest = min(ruler.longest(row, with_completion=whole) for row in rows)
    key = "pairs_too_long" if whole else "prompts_too_long"
    return DatasetError(key, path=recipe.dataset, count=len(rows), room=room, shortest=shortest)


def _context(base: str) -> int | None:
    """What the model's config.json says of its context; None where it says nothing."""
    try:
        config = json.loads((Path(base) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    found = config.get("text_config", config).get("max_position_embeddings")
    return int(found) if found else None
