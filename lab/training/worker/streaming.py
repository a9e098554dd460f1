"""Draws K completions of one conversation, token by token, so that several models can take turns and each token is shown at once.

``generate`` of transformers keeps the model to itself until it has ended; here a caller gets control back after each token, switches to
another adapter of the same base, and may stop. Distribution and ends are those of ``lab/training/measure/heldout.py``: the model's own at a
temperature (no top-k, no top-p); at temperature 0 the likeliest token. Not here: what is shown of it (``chat_job.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from peft import PeftModel

from lab.core.chats import Ask, LaneAsk
from lab.errors import InputError, ModelError
from lab.training.models.checks import context_of
from lab.training.models.roles import acting_as
from lab.training.worker.lanes import Lane


def stream(lane: Lane, asked: LaneAsk, ask: Ask) -> Iterator[list[list[int]]]:
    """The ids of each of the K completions so far, after each token; the end token is the last where there is one.

    Raises InputError where the conversation fills all that the model reads, ModelError where the template refuses it or the weights
    give no numbers.
    """
    ids = lane.tokens.asked(lane_prompt(asked))
    room = _room(lane, len(ids), ask.max_tokens)
    draws = [
        torch.Generator(lane.trunk.model.device).manual_seed(ask.seed_of(asked.lane) * 131 + number)
        for number in range(ask.samples)
    ]
    rows = list(range(ask.samples))
    written: list[list[int]] = [[] for _ in rows]
    logits, cache = _pass(lane, torch.tensor([ids], device=lane.trunk.model.device), None)
    logits = logits.expand(len(rows), -1)
    if len(rows) > 1:
        cache.batch_repeat_interleave(len(rows))
    for number in range(room):
        chosen = [_draw(logits[place], ask.temperature, draws[row]) for place, row in enumerate(rows)]
        for row, token in zip(rows, chosen, strict=True):
            written[row].append(token)
        yield written
        kept = [place for place, token in enumerate(chosen) if token not in lane.tokens.ends]
        if not kept or number + 1 == room:
            return
        if len(kept) < len(rows):
            rows = [rows[place] for place in kept]
            cache.batch_select_indices(torch.tensor(kept, device=logits.device))
        logits, cache = _pass(lane, torch.tensor([[chosen[place]] for place in kept], device=logits.device), cache)


def lane_prompt(asked: LaneAsk) -> Any:
    """What a lane is asked: a text where it is one question, else messages, as rows of data have it."""
    turns = asked.messages()
    return turns[0]["content"] if len(turns) == 1 else turns


def _room(lane: Lane, length: int, wanted: int) -> int:
    """How many tokens may be written: as many as are wanted, or as the model still reads."""
    context = context_of(lane.trunk.model.config)
    if context is None:
        return wanted
    if length >= context:
        raise InputError("chat_too_long", count=length, most=context)
    return min(wanted, context - length)


def _pass(lane: Lane, ids: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
    """The next token's scores, shape (B, vocabulary), and the cache that has the ids, too."""
    model = lane.trunk.model
    with torch.no_grad(), _acting(lane):
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    logits = output.logits[:, -1].float()
    if not bool(logits.amax(-1).isfinite().all()):
        raise ModelError("chat_not_finite", value=lane.name)
    return logits, output.past_key_values


def _acting(lane: Lane) -> AbstractContextManager[None]:
    return acting_as(lane.trunk.model, lane.adapter) if isinstance(lane.trunk.model, PeftModel) else nullcontext()


def _draw(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0 or not math.isfinite(1 / temperature):
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator))
