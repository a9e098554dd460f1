"""Completions by a vLLM engine beside the trainer on one CUDA GPU: an optional extra (``requirements-vllm.txt``).

It was run on a CPU, by a build of vLLM for CPUs, and never on a GPU: docs/scaling.md says what was tried. The engine is a process of its
own, holds a base of its own (NF4 where the run's is) and gets the policy's adapter before each rollout, in a folder and under a new name,
so that no cache of an older adapter is used. Departures from trl's ``VLLMGeneration``:

1. The adapter is sent as an adapter. trl merges it into the trainer's base, which a 4-bit base does not survive unchanged.
2. The engine stops at the run's own ends of turn, and loads no tokenizer.
3. No server mode, no tensor parallelism and no sleep: the engine keeps its share of the GPU until training ends.

Nothing of vLLM is imported where a run does not ask for it. Not here: the adapter's folder (``sampler.py``), and what is made of the
log-probabilities (``lab/training/algorithms/importance.py``).
"""

from __future__ import annotations

import logging
import math
import os
from typing import Any

import torch

from lab.errors import MachineError, first_line
from lab.loading import require_vllm
from lab.store.models import resolve
from lab.training.models.base import choose_dtype
from lab.training.models.roles import POLICY
from lab.training.task import Task
from lab.training.trainers.sampler import Completions, Sampler, SentAdapter

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that an engine can be built for; it takes adapters of a smaller one."""
TOKENS_AT_ONCE = 4096
"""As trl: vLLM's profiler believes that there is no room otherwise."""


def sampler_of(task: Task) -> Sampler | None:
    """The engine that a recipe asks for; None where the model in training writes the completions. Raises MachineError."""
    recipe = task.recipe
    if not recipe.rollouts_by_vllm:
        return None
    assert task.loaded is not None
    require_engine(task.loaded.device, four_bits=recipe.four_bit_base)
    try:
        return VllmSampler(task)
    except MachineError:
        raise
    except Exception as error:  # whatever an engine that was never run here raises
        raise MachineError("vllm_did_not_start", why=first_line(error), memory=recipe.rollout_memory) from error


def require_engine(device: torch.device, *, four_bits: bool) -> None:
    """Raise MachineError where there is no CUDA GPU, no vLLM, or for a 4-bit base no plugin that loads one. Imports nothing."""
    if device.type != "cuda":
        raise MachineError("vllm_no_gpu")
    require_vllm(four_bits=four_bits)


class VllmSampler:
    """A vLLM engine that writes with the policy's adapter."""

    def __init__(self, task: Task) -> None:
        os.environ["VLLM_NO_USAGE_STATS"] = "1"  # it would tell its makers of the run
        from vllm import LLM

        # It would tell at length that there is no tokenizer to try the chat template with.
        logging.getLogger("vllm.renderers.base").setLevel(logging.ERROR)
        self._adapter = SentAdapter(task.model)
        self._ends, self._recipe = list(task.tokens.ends), task.recipe
        self._engine: Any = LLM(**engine_arguments(task))

    def complete(self, prompts: list[list[int]], step: int) -> Completions:
        """One completion for each prompt, at the recipe's temperature, from the whole distribution."""
        from trl.generation.vllm_generation import extract_logprobs
        from vllm.lora.request import LoRARequest

        self._adapter.send(step)
        version = self._adapter.version
        outputs = self._engine.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            sampling_params=self._sampling(),
            lora_request=LoRARequest(f"policy-{version}", version, str(self._adapter.folder)),
            use_tqdm=False,
        )
        logps, _ = extract_logprobs(outputs)
        return Completions(
            [list(output.outputs[0].token_ids) for output in outputs],
            [[math.nan if stated[0] is None else stated[0] for stated in row] for row in logps],
        )

    def _sampling(self) -> Any:
        from vllm import SamplingParams

        return SamplingParams(
            n=1,
            temperature=self._recipe.temperature,
            top_p=1.0,
            top_k=0,
            max_tokens=self._recipe.max_completion_length,
            logprobs=0,  # of the drawn token alone
            stop_token_ids=self._ends,
            detokenize=False,
        )

    def close(self) -> None:
        """End the engine's process, and give its memory back to what is measured after training."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.llm_engine.engine_core.shutdown()
        self._adapter.close()


def engine_arguments(task: Task) -> dict[str, Any]:
    """What ``vllm.LLM`` is given for a run: its base by itself, room for one adapter, and log-probabilities at its temperature."""
    recipe, loaded = task.recipe, task.loaded
    assert loaded is not None
    rank = task.model.peft_config[POLICY].r
    dtype = choose_dtype(recipe.precision, loaded.device)
    if recipe.four_bit_base and dtype is torch.float32:  # the plugin packs for products of 16 bits
        dtype = torch.bfloat16
    return {
        "model": str(resolve(recipe.model, task.home).base),
        "skip_tokenizer_init": True,
        "generation_config": "vllm",  # no sampling settings of the model's own
        "dtype": str(dtype).removeprefix("torch."),
        "quantization": "bitsandbytes" if recipe.four_bit_base else None,
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": next(room for room in RANKS if room >= rank),
        "logprobs_mode": "processed_logprobs",  # after the temperature, as the trainer's are
        "gpu_memory_utilization": recipe.rollout_memory,
        "max_model_len": -1,  # as long as its memory allows
        "max_num_batched_tokens": TOKENS_AT_ONCE,
        "seed": recipe.seed + task.reporter.step,  # a resumed run draws other tokens than those before its checkpoint
        "disable_log_stats": True,
    }
