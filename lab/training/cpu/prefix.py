"""A beginning that rows share is read once on a CPU, forward and back.

The completions of a group have one prompt, the two of a pair, too, and templates begin all rows alike. A plain pass computes the same states once a
row: of 32 completions of 24 tokens on four prompts of 46 tokens more than half of all products. Here each kind of beginning passes through the
model once, and its keys and values are handed to the rows that go on from it; gradients come back the same way (Prefix Grouper, arXiv 2506.05433).
The states are those of a plain pass, up to rounding. Small models are left alone: they wait for calls, not for products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast

from lab.training.cpu.families import BODIES, has_window

LARGE = 20_000_000
"""Weights from which on products are most of a pass."""
LEAST = 384
"""Places of rows that must be saved: a second pass reads all weights and makes all calls again (of SmolLM2-135M, what 200 places cost)."""


class Beginning(NamedTuple):
    """What rows share."""

    length: int
    """Its tokens."""
    rows: torch.Tensor
    """A row of each kind of beginning, (u,)."""
    of_row: torch.Tensor
    """Which of them each row begins with, (n,)."""


def use_on_cpu(model: Any) -> None:
    """Let a model's body read so from now on, where it is one of ``BODIES`` and large."""
    body: Any = getattr(model, model.base_model_prefix, None)
    if type(body) not in BODIES or has_window(model.config):
        return
    if sum(parameter.numel() for parameter in body.parameters()) < LARGE:
        return
    plain = body.forward

    @wraps(plain)
    def forward(*args: Any, **named: Any) -> Any:
        beginning = None if args else _beginning_of(body, named)
        return plain(*args, **named) if beginning is None else _read(body, plain, beginning, named)

    body.forward = forward


def _beginning_of(body: Any, named: dict[str, Any]) -> Beginning | None:
    """What the rows of a pass share; None where it must be plain, or where too little is shared."""
    ids, mask = named.get("input_ids"), named.get("attention_mask")
    others = ("position_ids", "past_key_values", "inputs_embeds", "output_hidden_states", "output_attentions")
    if ids is None or ids.device.type != "cpu" or any(named.get(name) is not None for name in others):
        return None
    if named.get("use_cache") is not False or (body.gradient_checkpointing and body.training):
        return None
    if mask is not None and mask.shape != ids.shape:
        return None
    return longest_shared(ids if mask is None else torch.where(mask.bool(), ids, -1))


def longest_shared(rows: torch.Tensor) -> Beginning | None:
    """The beginning of ``rows`` (n, T) that saves most places, read once for each of its kinds; None where that does not pay.

    Between sorted neighbours stand the lengths that they share. For a length L there are 1 + (neighbours that share less than L) kinds.
    """
    n, longest = rows.shape
    if n < 2 or longest < 2:
        return None
    order = torch.tensor(sorted(range(n), key=rows.tolist().__getitem__))
    same = rows[order[1:]] == rows[order[:-1]]
    lengths = same.cumprod(1).sum(1).clamp(max=longest - 1)  # (n − 1,)
    saved = {int(length): int(length) * int((lengths >= length).sum()) for length in lengths.unique()}
    length = max(saved, key=saved.__getitem__)
    if saved[length] < LEAST:
        return None
    starts = torch.cat([torch.ones(1, dtype=torch.bool), lengths < length])
    of_row = torch.empty(n, dtype=torch.long)
    of_row[order] = starts.cumsum(0) - 1
    return Beginning(length, order[starts], of_row)


def _read(body: Any, plain: Callable[..., Any], beginning: Beginning, named: dict[str, Any]) -> BaseModelOutputWithPast:
    length, rows, of_row = beginning
    ids, mask = named["input_ids"], named.get("attention_mask")
    cache = DynamicCache(config=body.config)
    first = plain(
        input_ids=ids[rows, :length],
        attention_mask=None if mask is None else mask[rows, :length],
        past_key_values=cache,
        use_cache=True,
    )
    cache.batch_select_indices(of_row)
    rest = plain(
        input_ids=ids[:, length:],
        attention_mask=torch.ones_like(ids) if mask is None else mask,
        past_key_values=cache,
        use_cache=True,
    )
    return BaseModelOutputWithPast(
        last_hidden_state=torch.cat([first.last_hidden_state[of_row], rest.last_hidden_state], 1)
    )
