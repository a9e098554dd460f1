"""How long the rows of a recipe's data are, in its model's tokens: what the memory of a run is estimated for.

The longest rows count, since a run meets them sooner or later. They are looked for among those with the most characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab.core.budget import Lengths
from lab.core.recipes import PretrainRecipe, Recipe, SampledRecipe, micro_batch
from lab.data.datasets import Dataset
from lab.training.task import as_answer, as_conversation

CANDIDATES = 64
WITHOUT_DATA = 256
"""The prompt's tokens where neither the data nor the recipe tells."""
SAMPLES_AT_ONCE = 256


def lengths_of(recipe: Recipe, dataset: Dataset | None, tokenizer: Any) -> Lengths:
    """The lengths of a recipe's batches; without data or tokenizer, its own bounds."""
    known = dataset is not None and tokenizer is not None and not isinstance(recipe, PretrainRecipe)
    count = _counter(tokenizer) if known else None
    rows = dataset.train if dataset is not None else []
    if isinstance(recipe, SampledRecipe):
        prompt = _longest(rows, lambda row: row["prompt"], count) if count else WITHOUT_DATA
        completion = recipe.max_completion_length
        whole = prompt + completion
    else:
        bound: int = getattr(recipe, "max_length", WITHOUT_DATA)
        sides = ("chosen", "rejected") if recipe.algorithm in ("rm", "dpo") else ("completion",)
        both = [(lambda row, side=side: (row["prompt"], row[side])) for side in sides]
        whole = min(bound, max(_longest(rows, texts, count) for texts in both) if count else bound)
        prompt = min(_longest(rows, lambda row: row["prompt"], count), whole - 1) if count else whole // 2
        completion = whole - prompt
    batch: int = recipe.batch_size  # type: ignore[attr-defined]
    size = micro_batch(batch, getattr(recipe, "micro_batch_size", batch) or batch)
    at_once = size * (2 if recipe.algorithm in ("rm", "dpo") else 1)
    return Lengths(
        prompt=prompt,
        completion=completion,
        rows=at_once,
        rollout=batch if isinstance(recipe, SampledRecipe) else 0,
        held_out=_held_out(recipe, dataset, at_once),
        from_data=known,
    )


def _held_out(recipe: Recipe, dataset: Dataset | None, at_once: int) -> int:
    if recipe.algorithm == "rm":
        there = len(dataset.held_out_pairs) if dataset is not None else recipe.measure_samples
        return min(at_once, 2 * min(recipe.measure_samples, there))
    if dataset is not None and not dataset.held_out:
        return 0
    return min(SAMPLES_AT_ONCE, recipe.measure_samples)


def _longest(rows: Sequence[Any], texts: Callable[[Any], Any], count: Callable[[Any], int] | None) -> int:
    assert count is not None
    longest = sorted(rows, key=lambda row: -len(str(texts(row))))[:CANDIDATES]
    return max((count(texts(row)) for row in longest), default=WITHOUT_DATA)


def _counter(tokenizer: Any) -> Callable[[Any], int]:
    """Tokens of a prompt, or of a prompt and a completion, with the chat template around them."""

    def count(texts: Any) -> int:
        prompt, answer = texts if isinstance(texts, tuple) else (texts, None)
        turns = as_conversation(prompt) + (as_answer(answer) if answer is not None else [])
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=answer is None, return_dict=True)
        return len(ids["input_ids"])

    return count
