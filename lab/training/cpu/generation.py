"""Completions on a CPU: each prompt is read once, and what transformers does slowly a token is done another way.

Of a model that ``llama_step.py`` knows, tokens are made by its step: a prompt that several rows share, as in a group, is read once, and rows that have
ended are left out. Any other model keeps the loop of transformers. Both give the same tokens for a seed, by one random number each (``draw.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers import GenerationConfig
from transformers.cache_utils import DynamicCache
from transformers.generation import (
    LogitsProcessorList,
    MinPLogitsWarper,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from lab.training.cpu.draw import drawn, numbers, one_number_a_row
from lab.training.cpu.llama_step import LlamaStep, step_of

BY_ROW = (TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, MinPLogitsWarper)
"""Changes of scores that know nothing of a row but its scores. With any other one, rows that have ended stay."""


@contextmanager
def quick_generation(model: Any) -> Iterator[None]:
    """Let the model generate so within the block, on a CPU; on another device it generates as ever."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    if next(causal.parameters()).device.type != "cpu":
        yield
        return
    stock = causal.generate

    def generate(*args: Any, **named: Any) -> Any:
        configs = (named.get("generation_config"), causal.generation_config)
        asked = (named.get("num_beams"), *(config.num_beams for config in configs if config is not None))
        beams = next((number for number in asked if number is not None), 1)
        return stock(*args, **named, **({"custom_generate": sample} if beams == 1 else {}))

    causal.generate = generate
    try:
        with one_number_a_row():
            yield
    finally:
        del causal.generate


def sample(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **given: Any,
) -> torch.Tensor:
    """Prompts (n, P) and the tokens that follow, (n, P + T), as ``GenerationMixin._sample`` gives them; it is called where the step does not serve."""
    mask: Any = given.get("attention_mask")
    cache: Any = given.get("past_key_values")
    plain = not generation_config.return_dict_in_generate and not given.get("streamer") and not given.get("synced_gpus")
    if mask is None:  # no row is padded
        mask = torch.ones_like(input_ids)
    fresh = type(cache) is DynamicCache and cache.get_seq_length() == 0 and mask.shape == input_ids.shape
    step = step_of(model) if plain and fresh else None
    if step is None:
        return model._sample(input_ids, logits_processor, stopping_criteria, generation_config, **given)

    try:
        return _written(step, input_ids, mask, logits_processor, stopping_criteria, generation_config)
    finally:
        step.forget()


def _written(
    step: LlamaStep,
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
) -> torch.Tensor:
    longest = stopping_criteria.max_length
    scores = step.read(input_ids, mask, longest)
    at, pad = input_ids.size(1), int(generation_config._pad_token_tensor or 0)
    ids = functional.pad(input_ids, (0, longest - at), value=pad)
    alive, ended = torch.arange(len(ids)), torch.zeros(len(ids), dtype=torch.bool)
    by_row = all(type(processor) in BY_ROW for processor in logits_processor)
    while True:
        if logits_processor:
            scores = logits_processor(ids[alive, :at], scores)
        if generation_config.do_sample:  # as many numbers as if no row had ended: what is left out changes no other row
            tokens = drawn(scores.softmax(1), numbers(len(ids))[alive]).squeeze(1)
        else:
            tokens = scores.argmax(1)
        tokens.masked_fill_(ended[alive], pad)
        ids[alive, at] = tokens
        at += 1
        ended |= stopping_criteria(ids[:, :at], None)
        go_on = ~ended[alive]
        going = int(go_on.sum())
        if not going:
            return ids[:, :at]
        if by_row and 2 * going <= len(alive):
            rows = go_on.nonzero().squeeze(1)
            step.keep(rows)
            alive, tokens = alive[rows], tokens[rows]
        scores = step.scores(tokens)
