"""How long the rows of a recipe's data are, in its model's tokens: what the memory of a run is estimated for.

The longest rows count, since a run meets them sooner or later. They are looked for among those with the most characters.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from lab.core.algorithms import Head, algorithm_of
from lab.core.budget import Lengths
from lab.core.recipes import Recipe
from lab.data.datasets import Dataset
from lab.training.cpu.flat_rows import flat_rows
from lab.training.models.tokens import Tokens
from lab.training.trainers.rows import Row, encoded

CANDIDATES = 64
WITHOUT_DATA = 256
"""The prompt's tokens where neither the data nor the recipe tells."""
SAMPLES_AT_ONCE = 256
DRAWN = 20_000


def lengths_of(recipe: Any, dataset: Dataset | None, tokens: Tokens | None) -> Lengths:
    """The lengths of a recipe's batches; without data or tokenizer, its own bounds."""
    algorithm = algorithm_of(recipe)
    known = dataset is not None and tokens is not None and algorithm.starts_from_model
    rows = dataset.train if dataset is not None and known else []
    if algorithm.writes_groups:
        prompt = _longest(rows, tokens)
        completion = recipe.max_completion_length
    else:
        bound = recipe.max_length or WITHOUT_DATA  # 0: no data to take it from
        columns = algorithm.data.answer_columns
        whole = min(bound, max(_longest(rows, tokens, column) for column in columns)) if known else bound
        prompt = min(_longest(rows, tokens), whole - 1) if known else whole // 2
        completion = whole - prompt
    at_once = recipe.rows_per_pass * (2 if algorithm.trains_on_pairs else 1)
    if algorithm.writes_groups:
        kinds = min(at_once, recipe.batch_size // recipe.processes // recipe.group_size)
        read = kinds * prompt + at_once * completion
    else:
        read = _read(recipe, rows, tokens)
    return Lengths(
        prompt=prompt,
        completion=completion,
        rows=at_once,
        read=read,
        rollout=recipe.batch_size // recipe.processes if algorithm.writes_groups else 0,
        held_out=_held_out(recipe, dataset, at_once),
        from_data=known,
    )


def _read(recipe: Recipe, rows: Sequence[Row], tokens: Tokens | None) -> int:
    """The tokens that are read of the largest micro-batch of an epoch, of ``DRAWN`` rows at most, compared by its characters; 0 where rows are not known."""
    if tokens is None or not rows:
        return 0
    size = min(recipe.rows_per_pass, len(rows), DRAWN)
    order = random.Random(recipe.seed).sample(range(len(rows)), min(len(rows), DRAWN))
    batches = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
    largest = max(batches, key=lambda batch: sum(len(str(rows[place])) for place in batch))
    sides = [encoded(tokens, rows[place], recipe) for place in largest]
    limit = recipe.row_limit
    every = [side[name] for name in sides[0] for side in sides]
    ids, mask = tokens.padded([(each.cut(limit) if limit else each).ids for each in every])
    flat = flat_rows(ids, mask)
    return ids.numel() if flat is None else flat.ids.numel()


def _held_out(recipe: Recipe, dataset: Dataset | None, at_once: int) -> int:
    if algorithm_of(recipe).head is Head.SCORE:
        pairs = len(dataset.held_out_pairs) if dataset is not None else recipe.measure_samples
        return min(at_once, 2 * min(recipe.measure_samples, pairs))
    if dataset is not None and not dataset.held_out:
        return 0
    return min(SAMPLES_AT_ONCE, recipe.measure_samples)


def _longest(rows: Sequence[Any], tokens: Tokens | None, column: str = "") -> int:
    """The tokens of the longest prompt, or of the longest prompt with its ``column``, the chat template around them."""

    def characters(row: Any) -> int:
        return len(str((row["prompt"], row[column]) if column else row["prompt"]))

    def count(row: Any) -> int:
        assert tokens is not None
        return len(tokens.encode(row["prompt"], row[column]).ids if column else tokens.asked(row["prompt"]))

    longest = sorted(rows, key=characters, reverse=True)[:CANDIDATES]
    return max(map(count, longest), default=WITHOUT_DATA)
