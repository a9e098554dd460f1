"""Two operations of generating that torch does slowly on a CPU, done another way: the draw of a token, and attention in bf16.

``torch.multinomial`` draws an exponential number for every word of every row: for 32 rows of 49,152 words 25 ms a token on two cores. One
number a row and the running sum of its probabilities give the same distribution (other tokens from the same seed). torch's fused attention
takes 1.1 ms in bf16 for one new token a row, and in fp32 a quarter of that, casts included. Together they were half of what a token of
SmolLM2-135M cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from lab.training.models.cpu_lora import joined_adapters

LARGE = 4096
"""Words from which on one number a row pays. Smaller vocabularies are drawn from as ever."""


@contextmanager
def quick_generation(model: nn.Module) -> Iterator[None]:
    """Let the model generate so within the block, on a CPU: one word a row from a large vocabulary, one token a row in bf16, and a small
    model with its adapter joined to its weights (``cpu_lora.py``)."""
    multinomial, attention = torch.multinomial, functional.scaled_dot_product_attention

    def draw(probabilities: torch.Tensor, num_samples: int, *args: Any, **kwargs: Any) -> torch.Tensor:
        quick = probabilities.device.type == "cpu" and probabilities.dim() == 2 and probabilities.size(1) >= LARGE
        if quick and num_samples == 1 and not args and not kwargs:
            return drawn(probabilities)
        return multinomial(probabilities, num_samples, *args, **kwargs)

    def attend(query: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if query.device.type != "cpu" or query.dtype is not torch.bfloat16 or query.size(-2) != 1:
            return attention(query, *args, **kwargs)
        named = {name: _wide(value) for name, value in kwargs.items()}
        return attention(query.float(), *map(_wide, args), **named).to(query.dtype)

    torch.multinomial, functional.scaled_dot_product_attention = draw, attend
    try:
        with joined_adapters(model):
            yield
    finally:
        torch.multinomial, functional.scaled_dot_product_attention = multinomial, attention


def drawn(probabilities: torch.Tensor) -> torch.Tensor:
    """A word for each row of ``probabilities`` (n, V), which need not add up to 1; shape (n, 1). A word of probability 0 is never drawn.

    Raises RuntimeError, as torch does, where a row holds no probability or something that is no number.
    """
    sums = probabilities.cumsum(1, dtype=torch.float64)
    total = sums[:, -1:]
    if not bool((total > 0).all() and total.isfinite().all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or no element > 0")
    wanted = torch.rand(len(sums), 1, dtype=torch.float64) * total
    return torch.searchsorted(sums, wanted, right=True).clamp_(max=sums.size(1) - 1)


def _wide(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16 else value
