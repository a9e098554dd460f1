"""Chooses ``max_length`` from the lengths of the data, for recipes whose ``max_length`` is 0. Pure arithmetic.

Not here: how tokens are counted (``lab/training``).
"""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST = 8
"""The smallest ``max_length`` that a recipe may set."""
OUTLIER = 2.0
"""If the longest row is longer than this many times the 99th percentile, the percentile is used: a single row should not decide the memory."""
STEP = 8


def max_length_for(lengths: Sequence[int], context: int | None) -> int:
    """The ``max_length`` that rows of these lengths (in tokens) need, a multiple of 8 and never above the model's context.

    It holds the longest row, or the 99th percentile where a few rows are far longer than all others.
    """
    ordered = sorted(lengths)
    if not ordered:
        return context or SHORTEST
    longest, usual = ordered[-1], ordered[round(0.99 * (len(ordered) - 1))]
    wanted = usual if longest > OUTLIER * usual else longest
    rounded = max(SHORTEST, -(-wanted // STEP) * STEP)
    return min(rounded, context) if context else rounded
