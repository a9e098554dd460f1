"""Which rows a model has room for: a prompt that leaves none for its completion is left out, before any weight is loaded.

Completions that are too long are cut by the trainers; that is a setting's affair (``max_length``), and no row is lost by it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe, SampledRecipe
from lab.data.datasets import Dataset, Row
from lab.data.turns import as_conversation
from lab.errors import DatasetError
from lab.store.models import resolve
from lab.training.base import load_tokenizer

TEMPLATE = 256
"""More bytes than a chat template adds to a prompt: one that is short even so need not be counted."""


def fitting(recipe: Recipe, dataset: Dataset, home: Path) -> Dataset:
    """The dataset without the prompts that are too long; how many those are goes to the log. Raises DatasetError where all are."""
    if recipe.algorithm == "pretrain" or recipe.dataset == "equations":
        return dataset
    room = room_for_prompts(recipe, resolve(recipe.model, home).base)
    if room is None:
        return dataset
    suspects = [row for row in dataset.train if _bytes(row) + TEMPLATE > room]
    if not suspects:
        return dataset
    tokenizer = load_tokenizer(resolve(recipe.model, home))
    lengths = {id(row): prompt_tokens(tokenizer, row) for row in suspects}
    fits = [row for row in dataset.train if lengths.get(id(row), 0) <= room]
    left_out = len(dataset.train) - len(fits)
    if not fits:
        raise DatasetError(
            "prompts_too_long", path=recipe.dataset, count=left_out, room=room, shortest=min(lengths.values())
        )
    if left_out:
        print(
            f"left out: {left_out} of {len(dataset.train)} rows, whose prompt is longer than {room} tokens", flush=True
        )
    short = [row for row in dataset.held_out if _bytes(row) + TEMPLATE <= room or prompt_tokens(tokenizer, row) <= room]
    return replace(dataset, train=fits, held_out=short)


def room_for_prompts(recipe: Recipe, base: str) -> int | None:
    """How many tokens a prompt may have; None where the model tells no context."""
    context = _context(base)
    if isinstance(recipe, SampledRecipe):
        return None if context is None else context - recipe.max_completion_length
    longest = int(getattr(recipe, "max_length", 0))
    return min(longest, context or longest) - 1  # one token of the completion, at least


def prompt_tokens(tokenizer: Any, row: Row) -> int:
    """The length of a row's prompt, with what the chat template adds."""
    conversation = as_conversation(row["prompt"])
    return len(tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=True)["input_ids"])


def _bytes(row: Row) -> int:
    return sum(len(message["content"].encode("utf-8", "replace")) for message in as_conversation(row["prompt"]))


def _context(base: str) -> int | None:
    """What the model's config.json says of its context; None for a hub id that is not here."""
    try:
        config = json.loads((Path(base) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    found = config.get("text_config", config).get("max_position_embeddings")
    return int(found) if found else None
