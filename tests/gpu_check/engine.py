"""A policy with a vLLM engine beside it, without a run around them; and what tells whether their bases are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from lab.core.recipes import Recipe
from lab.training.models.base import load
from lab.training.models.tokens import Tokens
from lab.training.trainers.vllm_sampler import VllmSampler

LIKELIEST = 20


@dataclass(frozen=True)
class Beside:
    """The trainer's model with its policy, and the engine's sampler."""

    model: Any
    tokens: Tokens
    sampler: VllmSampler


@contextmanager
def engine_beside(recipe: Recipe, home: Path) -> Iterator[Beside]:
    """Both, of a recipe. Neither asks whether there is a GPU: a build of vLLM for CPUs starts without one."""
    torch.manual_seed(1)
    loaded = load(recipe, home)
    task: Any = SimpleNamespace(
        recipe=recipe,
        loaded=loaded,
        model=loaded.model,
        tokens=loaded.tokens,
        home=home,
        reporter=SimpleNamespace(step=0),
    )
    sampler = VllmSampler(task)
    try:
        yield Beside(loaded.model, loaded.tokens, sampler)
    finally:
        sampler.close()


def base_says(beside: Beside, prompts: Sequence[list[int]]) -> list[dict[int, float]]:
    """What the engine's base alone says comes next, without any adapter and without its cache: the likeliest words and their log π."""
    from vllm import SamplingParams

    beside.sampler._engine.reset_prefix_cache()
    outputs = beside.sampler._engine.generate(
        [{"prompt_token_ids": ids} for ids in prompts],
        sampling_params=SamplingParams(max_tokens=1, logprobs=LIKELIEST, detokenize=False),
        use_tqdm=False,
    )
    stated = [output.outputs[0].logprobs[0] for output in outputs]
    return [{token: one.logprob for token, one in each.items() if one.rank <= LIKELIEST} for each in stated]


def digest_of_base(model: Any) -> str:
    """Of every byte of a model that is not an adapter's: packed weights, their scales and codes, embeddings, norms."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if "lora_" not in name:
            data = tensor.detach().contiguous().flatten().view(torch.uint8).cpu().numpy()
            digest.update(name.encode() + data.tobytes())
    return digest.hexdigest()
