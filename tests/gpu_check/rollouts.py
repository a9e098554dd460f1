"""Rollouts by vLLM beside rollouts by the model in training: speed, how far the two are apart, and whether 100 syncs move a base.

``--device cpu`` tries the code of the drift with a build of vLLM for CPUs; runs with an engine need CUDA.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch

from lab.core.recipes import Recipe, with_values
from lab.runs.foreground import train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.training.models.roles import acting_as
from tests.bench.memory import rows_of
from tests.gpu_check.engine import base_says, digest_of_base, engine_beside

SYNCS = 100
NO_VLLM = "rollouts by vLLM: not measured, for vllm is not installed here (requirements-vllm.txt)."
NO_PLUGIN = "rollouts by vLLM: not measured, for its bitsandbytes plugin is not installed here (requirements-vllm.txt)."
SETTINGS: dict[str, Any] = {
    "load_in_4bit": True, "measure_samples": 0, "batch_size": 64, "micro_batch_size": 8, "group_size": 8,
    "max_completion_length": 256, "iterations": 1, "skip_no_spread": False, "threshold": {"kind": "all", "fraction": 1.0},
    "rollout_memory": 0.3,
}  # fmt: skip


def check_rollouts(model: Path, store: Store, device: str, steps: int) -> bool:
    """Print what is measured; whether nothing failed and nothing drifted. Where vLLM is missing, a sentence and True."""
    for package, sentence in (("vllm", NO_VLLM), ("vllm_bnb_plugin", NO_PLUGIN)):
        if find_spec(package) is None:
            print(sentence, flush=True)
            return True
    rows = store.home / "rollouts.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in rows_of("grpo")), "utf-8")
    changes = {"model": str(model), "dataset": str(rows), "device": device, "steps": steps}
    recipe = with_values(load_preset("smollm2-135m/grpo").recipe, SETTINGS | changes)
    good = True
    if device == "cuda":
        print(f"{'rollouts by':14} {'tokens/s':>9} {'s/step':>7} {'gap':>9} {'weight':>15}", flush=True)
        for engine in ("transformers", "vllm"):
            good &= _speed(with_values(recipe, {"rollouts": engine}), store)
    device_of_engine = {"device": "auto"} if device == "cpu" else {}  # a recipe for an engine names no CPU
    return (
        _drift(with_values(recipe, {"rollouts": "vllm", "max_completion_length": 8, **device_of_engine}), store.home)
        and good
    )


def _speed(recipe: Any, store: Store) -> bool:
    """One run: generated tokens a second of generation, seconds a step; with an engine |log π − log π_sampler| and the tokens' weights."""
    run = train_in_foreground(recipe, store)
    folder = store.folder(run.id)
    if run.state is not RunState.FINISHED:
        print(f"rollouts by {recipe.rollouts}: {run.state}\n{folder.log().text[-3000:]}", file=sys.stderr)
        return False
    lines = folder.metrics().lines[1:]  # the first step also warms up
    generated = [line["completion_tokens"] * recipe.batch_size / line["time/generation"] for line in lines]
    told = f"{recipe.rollouts:14} {median(generated):9.0f} {median(line['seconds'] for line in lines):7.2f}"
    if recipe.rollouts_by_vllm:
        weights = f"{min(line['importance_weight_min'] for line in lines):.3f}–{max(line['importance_weight_max'] for line in lines):.3f}"
        told += f" {median(line['sampler_gap'] for line in lines):9.5f} {weights:>15}"
    print(told, flush=True)
    return True


@torch.no_grad()
def _drift(recipe: Recipe, home: Path) -> bool:
    """100 adapters are sent; then the trainer's base must be the same to the byte, its reference and the engine's base say exactly the same."""
    generator = torch.Generator().manual_seed(3)
    prompts = [torch.randint(4, 280, (5 + n,), generator=generator).tolist() for n in range(24)]
    with engine_beside(recipe, home) as beside:
        ids = torch.tensor([prompt[:5] for prompt in prompts], device=beside.model.device)
        digest, said, reference = (
            digest_of_base(beside.model),
            base_says(beside, prompts),
            _reference(beside.model, ids),
        )
        trained = [parameter for parameter in beside.model.parameters() if parameter.requires_grad]
        started = time.perf_counter()
        for number in range(SYNCS):
            for parameter in trained:
                parameter += torch.randn(parameter.shape, generator=generator).to(parameter) * 1e-3
            beside.sampler.complete(prompts[:2], number)
        seconds = (time.perf_counter() - started) / SYNCS
        after = _reference(beside.model, ids)
        kl = float((reference.exp() * (reference - after)).sum(-1).mean())
        same, says_same = digest == digest_of_base(beside.model), said == base_says(beside, prompts)
    print(
        f"{SYNCS} syncs of the adapter: KL of the reference {kl:g}, the trainer's base the same to the byte: {same}, "
        f"the engine's base says the same: {says_same}; {seconds:.3f} s a sync with 2 completions of 8 tokens",
        flush=True,
    )
    return kl == 0.0 and same and says_same


def _reference(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with acting_as(model, None):
        return torch.log_softmax(model(input_ids=ids).logits.double(), -1)
