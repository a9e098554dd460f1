"""The draw of a token on a CPU: one random number a row.

``torch.multinomial`` draws an exponential number for every word of every row: for 32 rows of 49,152 words 25 ms a token on two cores, and for 64 rows
of the tiny model a third of what a token costs. One number a row and the running sum of its probabilities give the same distribution, and other
tokens from the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

LARGE = 4096
"""Words from which on their probabilities are first summed in blocks."""
BLOCK = 256
"""Words of a block."""


@contextmanager
def one_number_a_row() -> Iterator[None]:
    """Within the block ``torch.multinomial`` draws one word a row so on a CPU; everything else is drawn as ever."""
    multinomial = torch.multinomial

    def draw(probabilities: torch.Tensor, num_samples: int, *args: Any, **kwargs: Any) -> torch.Tensor:
        quick = probabilities.device.type == "cpu" and probabilities.dim() == 2 and num_samples == 1
        if quick and not args and not kwargs:
            return drawn(probabilities, numbers(len(probabilities)))
        return multinomial(probabilities, num_samples, *args, **kwargs)

    torch.multinomial = draw
    try:
        yield
    finally:
        torch.multinomial = multinomial


def numbers(rows: int) -> torch.Tensor:
    """A random number in [0, 1) for each row, (n, 1)."""
    return torch.rand(rows, 1, dtype=torch.float64)


def drawn(probabilities: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """The word of each row of ``probabilities`` (n, V) at which their running sum passes this share of the total, (n, 1); the result too.

    Probabilities need not add up to 1, and a word of probability 0 is never drawn. Raises RuntimeError, as torch does, where a row holds no
    probability or something that is no number.
    """
    if probabilities.size(1) < LARGE:
        sums = probabilities.cumsum(1, dtype=torch.float64)
        return _first_above(sums, _wanted(sums, shares))
    blocks = functional.pad(probabilities, (0, -probabilities.size(1) % BLOCK)).unflatten(1, (-1, BLOCK))
    sums = blocks.sum(2, dtype=torch.float32).cumsum(1, dtype=torch.float64)
    wanted = _wanted(sums, shares)
    block = _first_above(sums, wanted)
    before = functional.pad(sums, (1, 0)).gather(1, block)
    within = blocks[torch.arange(len(block)), block.squeeze(1)].cumsum(1, dtype=torch.float64)
    return block * BLOCK + _first_above(within, wanted - before)


def _wanted(sums: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Each row's share of its total, (n, 1)."""
    total = sums[:, -1:]
    if not bool(((total > 0) & (total < torch.inf)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or no element > 0")
    return shares * total


def _first_above(sums: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The first place whose running sum is above the number, (n, 1); rounding never leads past the last one that adds something."""
    last = torch.searchsorted(sums, sums[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(sums, wanted, right=True), last)
