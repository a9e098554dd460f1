"""Completions on a CPU: each prompt is read once, and what transformers does slowly a token is done another way.

Of a model that ``llama_step.py`` knows, tokens are made by its step: a prompt that several rows share, as in a group, is read once, and rows that have
ended are left out. Any other model keeps the loop of transformers. In both, one random number draws a token: ``torch.multinomial`` draws one for
every word, for 32 rows of 49,152 words 25 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache
from transformers.generation import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from lab.training.models.llama_step import LlamaStep, step_of

LARGE = 4096
"""Words from which on their probabilities are first summed in blocks."""
BLOCK = 256
"""Words of a block."""
BY_ROW = (TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, MinPLogitsWarper)
"""Changes of scores that know nothing of a row but its scores. With any other one, rows that have ended stay."""


@contextmanager
def quick_generation(model: nn.Module) -> Iterator[None]:
    """Let the model generate so within the block, on a CPU; on another device it generates as ever."""
    multinomial = torch.multinomial

    def draw(probabilities: torch.Tensor, num_samples: int, *args: Any, **kwargs: Any) -> torch.Tensor:
        quick = probabilities.device.type == "cpu" and probabilities.dim() == 2 and num_samples == 1
        if quick and not args and not kwargs:
            return drawn(probabilities)
        return multinomial(probabilities, num_samples, *args, **kwargs)

    torch.multinomial = draw
    try:
        with _own_loop(model):
            yield
    finally:
        torch.multinomial = multinomial


@contextmanager
def _own_loop(model: Any) -> Iterator[None]:
    """Let ``generate`` of the causal model within sample by ``sample``."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    if getattr(causal, "generate", None) is None or next(causal.parameters()).device.type != "cpu":
        yield
        return
    causal.generate = partial(causal.generate, custom_generate=sample)
    try:
        yield
    finally:
        del causal.generate


def sample(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    stopping_criteria: Callable[[torch.Tensor, Any], torch.Tensor],
    generation_config: GenerationConfig,
    **given: Any,
) -> torch.Tensor:
    """Prompts (n, P) and the tokens that follow, (n, P + T), as ``GenerationMixin._sample`` gives them; it is called where the step does not serve."""
    mask, cache = given.get("attention_mask"), given.get("past_key_values")
    plain = not generation_config.return_dict_in_generate and not given.get("streamer") and not given.get("synced_gpus")
    if mask is None:  # no row is padded
        mask = torch.ones_like(input_ids)
    fresh = type(cache) is DynamicCache and cache.get_seq_length() == 0 and mask.shape == input_ids.shape
    step = step_of(model) if plain and fresh and generation_config.num_beams in (None, 1) else None
    if step is None:
        return model._sample(input_ids, logits_processor, stopping_criteria, generation_config, **given)

    longest = stopping_criteria.max_length
    scores = _read_prompts(model, step, input_ids, mask, cache, longest)
    at, pad = input_ids.size(1), generation_config._pad_token_tensor
    ids = functional.pad(input_ids, (0, longest - at), value=0 if pad is None else int(pad))
    alive, ended = torch.arange(len(ids)), torch.zeros(len(ids), dtype=torch.bool)
    by_row = all(type(processor) in BY_ROW for processor in logits_processor)
    while True:
        scores = logits_processor(ids[alive, :at], scores)
        tokens = drawn(scores.softmax(1)).squeeze(1) if generation_config.do_sample else scores.argmax(1)
        ids[alive, at] = tokens = torch.where(ended[alive], ids[alive, at], tokens)
        at += 1
        ended |= stopping_criteria(ids[:, :at], None)
        if ended.all():
            return ids[:, :at]
        go_on = ~ended[alive]
        if by_row and 2 * int(go_on.sum()) <= len(alive):
            rows = go_on.nonzero().squeeze(1)
            step.keep(rows)
            alive, tokens = alive[rows], tokens[rows]
        scores = step.scores(tokens)


def _read_prompts(
    model: Any, step: LlamaStep, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache, longest: int
) -> torch.Tensor:
    """The scores of each row's first token, (n, V), fp32. Rows with the same prompt are read as one."""
    both, of_row = torch.cat([ids, mask.long()], 1).unique(dim=0, return_inverse=True)
    prompts, there = both.chunk(2, 1)
    places = (there.cumsum(1) - 1).clamp(min=0)
    read = model(
        input_ids=prompts,
        attention_mask=there,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    step.begin(cache, of_row, mask, longest)
    return read.logits[:, -1].float()[of_row]


def drawn(probabilities: torch.Tensor) -> torch.Tensor:
    """A word for each row of ``probabilities`` (n, V), which need not add up to 1; shape (n, 1). A word of probability 0 is never drawn.

    Raises RuntimeError, as torch does, where a row holds no probability or something that is no number.
    """
    if probabilities.size(1) < LARGE:
        sums = probabilities.cumsum(1, dtype=torch.float64)
        return _first_above(sums, _wanted(sums[:, -1:]))
    blocks = functional.pad(probabilities, (0, -probabilities.size(1) % BLOCK)).unflatten(1, (-1, BLOCK))
    sums = blocks.sum(2, dtype=torch.float32).cumsum(1, dtype=torch.float64)
    wanted = _wanted(sums[:, -1:])
    block = _first_above(sums, wanted)
    before = functional.pad(sums, (1, 0)).gather(1, block)
    within = blocks[torch.arange(len(block)), block.squeeze(1)].cumsum(1, dtype=torch.float64)
    return block * BLOCK + _first_above(within, wanted - before)


def _wanted(total: torch.Tensor) -> torch.Tensor:
    """A number below each row's total, (n, 1)."""
    if not bool((total > 0).all() and total.isfinite().all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or no element > 0")
    return torch.rand(len(total), 1, dtype=torch.float64) * total


def _first_above(sums: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The first place whose running sum is above the number, (n, 1); rounding never leads past the last one that adds something."""
    last = torch.searchsorted(sums, sums[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(sums, wanted, right=True), last)
