"""A real vLLM engine: it writes with the adapter that was sent, states what the trainer computes, and its 4-bit base stays as it is.

Runs where vLLM is installed and can start an engine: on a CUDA GPU, or with a build of vLLM for CPUs. Elsewhere it is skipped.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from lab.core.recipes import GrpoRecipe, with_values
from lab.store.presets import load_preset
from lab.training.algorithms import grpo
from lab.training.models.tokens import Tokens
from lab.training.trainers.group_trainer import GroupTrainer
from tests.gpu_check.engine import base_says, digest_of_base, engine_beside
from tests.training.conftest import LETTERS

pytest.importorskip("vllm", reason="vllm is not installed: pip install -r requirements-vllm.txt")
from vllm.platforms import current_platform

RUNS = current_platform.is_cpu() or torch.cuda.is_available()
pytestmark = [
    pytest.mark.train,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not RUNS, reason="this build of vllm needs a GPU, and there is none"),
]
SYNCS = 100
BITS = pytest.mark.parametrize("engine", [False, True], ids=["wide", "four_bits"], indirect=True)


@pytest.fixture(scope="module")
def engine(request, tmp_path_factory):
    """An engine beside a policy that can take steps, on the shipped model; in fp32, or on an NF4 base with products in bf16."""
    home = tmp_path_factory.mktemp("home")
    wanted = {"rollouts": "vllm", "load_in_4bit": request.param, "lora_rank": 4, "max_completion_length": 24}
    recipe = with_values(load_preset("tiny/grpo").recipe, wanted | {"precision": "fp32", "rollout_memory": 0.2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        with engine_beside(recipe, home) as beside:
            trained = [parameter for parameter in beside.model.parameters() if parameter.requires_grad]
            optimizer = torch.optim.AdamW(trained, lr=5e-3)
            ids = torch.randint(4, 280, (4, 24), generator=torch.Generator().manual_seed(2)).to(beside.model.device)

            def step():
                optimizer.zero_grad()
                beside.model(input_ids=ids, labels=ids).loss.backward()
                optimizer.step()

            yield SimpleNamespace(**vars(beside), beside=beside, step=step, four_bits=request.param)


def prompts_of(tokens: Tokens, count: int) -> list[list[int]]:
    return [tokens.asked([{"role": "user", "content": f"解方程 {n}x + 5 = {n * 3 + 5}"}]) for n in range(2, 2 + count)]


@torch.no_grad()
def own_logps(model, prompt, ids):
    """log π of a completion's tokens by the trainer's model."""
    logits = model(input_ids=torch.tensor([[*prompt, *ids]], device=model.device)).logits[0, len(prompt) - 1 : -1]
    return (
        torch.log_softmax(logits.double(), -1)
        .gather(-1, torch.tensor(ids, device=model.device)[:, None])[:, 0]
        .tolist()
    )


def gap(engine, prompts, written):
    """Mean |log π − log π_sampler| a token."""
    pairs = [
        (own, stated)
        for prompt, ids, logps in zip(prompts, written.ids, written.logps, strict=True)
        for own, stated in zip(own_logps(engine.model, prompt, ids), logps, strict=True)
    ]
    return sum(abs(own - stated) for own, stated in pairs) / len(pairs)


@BITS
def test_it_writes_with_the_adapter_as_it_is_now(engine):
    prompts = prompts_of(engine.tokens, 16)
    small = 0.1 if engine.four_bits else 1e-3  # products in bf16 against products in fp32
    before = engine.sampler.complete(prompts, 0)
    assert gap(engine, prompts, before) < small
    for _ in range(20):
        engine.step()
    assert gap(engine, prompts, before) > 5 * small, "the policy has moved away from what it wrote"
    after = engine.sampler.complete(prompts, 1)
    assert gap(engine, prompts, after) < small, "prompts that are known to the engine's cache are written anew"
    for ids, logps in zip(after.ids, after.logps, strict=True):
        assert len(ids) <= 24 and all(math.isfinite(logp) and logp <= 0 for logp in logps)
        assert all(token not in engine.tokens.ends for token in ids[:-1])
        assert len(ids) == 24 or ids[-1] in engine.tokens.ends


@BITS
def test_after_100_syncs_both_bases_are_as_they_were(engine):
    """The engine's base says exactly the same, and every byte of the trainer's is the same."""
    known = [[2, *range(10 * n, 10 * n + 5 + n)] for n in range(1, 25)]
    reference, base = base_says(engine.beside, known), digest_of_base(engine.model)
    prompts = prompts_of(engine.tokens, 2)
    for number in range(SYNCS):
        engine.step()
        engine.sampler.complete(prompts, 1000 + number)
    assert engine.sampler._adapter.version >= SYNCS and all(len(words) == 20 for words in reference)
    assert base_says(engine.beside, known) == reference
    assert digest_of_base(engine.model) == base


@BITS
def test_a_grpo_run_trains_on_what_it_writes(engine, grpo_config, grpo_rows):
    """The last test of an engine: the end of a run lets go of it."""
    recipe = GrpoRecipe(
        group_size=4,
        batch_size=16,
        micro_batch_size=8,
        max_completion_length=24,
        steps=3,
        threshold={"kind": "all"},
        skip_no_spread=False,
        lora_rank=4,
        importance_correction="token_truncate",
    )
    trainer = GroupTrainer(
        recipe=recipe,
        rules=LETTERS,
        score=grpo.score,
        loss=grpo.loss,
        model=engine.model,
        args=grpo_config(recipe),
        train_dataset=grpo_rows,
        processing_class=engine.tokens.tokenizer,
        sampler=engine.sampler,
    )
    base = digest_of_base(engine.model)
    trainer.train()
    lines = [line for line in trainer.state.log_history if "loss" in line]
    assert [line["step"] for line in lines] == [1, 2, 3] and all(line["optimizer_step"] == 1 for line in lines)
    for line in lines:
        assert 0 < line["sampler_gap"] < (0.2 if engine.four_bits else 1e-3)
        assert 0.5 < line["importance_weight"] < 1.5 and line["importance_weight_max"] <= 3.0
        assert line["grad_norm"] > 0
    assert digest_of_base(engine.model) == base and engine.sampler._engine is None
