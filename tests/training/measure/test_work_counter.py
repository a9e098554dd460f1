"""The counted work against PyTorch's own count of matrix products, and the machine's speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

from lab.core.step_time import Part
from lab.training.measure import machine_speed
from lab.training.measure.work_counter import WorkCounter
from lab.training.worker.step_timer import StepTimer

SHAPE = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
PRODUCTS = (torch.ops.aten.mm, torch.ops.aten.addmm)


def llama(**more: Any) -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE, num_key_value_heads=2, **more))


def products(counter: FlopCounterMode) -> float:
    """Floating-point operations of the products with weights: attention's are of another kind (bmm)."""
    return float(sum(counter.get_flop_counts()["Global"].get(kind, 0) for kind in PRODUCTS))


def one_step(model: Any, *, scored: int) -> tuple[dict[str, float], float, float]:
    """The counts of a forward and a backward pass with a loss over ``scored`` places, and PyTorch's of the two passes."""
    timer = StepTimer()
    counter = WorkCounter(model, timer)
    ids = torch.randint(0, 50, (2, 9))
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    with FlopCounterMode(display=False) as forward, timer.part(Part.FORWARD):
        hidden = base.model(input_ids=ids).last_hidden_state
        scores = base.lm_head(hidden.reshape(-1, 32)[:scored])
    with FlopCounterMode(display=False) as backward, timer.part(Part.BACKWARD):
        scores.sum().backward()
    return counter.take(scored), products(forward), products(backward)


@pytest.mark.parametrize("tied", [True, False])
def test_a_step_of_all_weights_is_counted_as_pytorch_counts_it(tied: bool) -> None:
    model = llama(tie_word_embeddings=tied)
    counts, forward, backward = one_step(model, scored=5)
    assert counts["flops/forward"] == forward
    assert counts["flops/backward"] == backward
    body = sum(
        p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name and "head" not in name
    )
    assert counts["bytes/forward"] == counts["bytes/backward"] == 4 * body


def test_an_adapters_step_is_counted_with_its_frozen_weights() -> None:
    model = get_peft_model(llama(), LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.0))
    counts, forward, backward = one_step(model, scored=5)
    assert counts["flops/forward"] == forward
    assert backward <= counts["flops/backward"] <= 1.15 * backward  # the first layer needs no gradient of its input


def test_a_pass_counts_for_the_part_that_is_open_and_what_is_no_work_does_not() -> None:
    model, timer = llama(), StepTimer()
    counter = WorkCounter(model, timer)
    ids = torch.randint(0, 50, (2, 1))
    with torch.no_grad(), FlopCounterMode(display=False) as one_pass:
        model(input_ids=ids)  # outside any part: measuring
        with timer.part(Part.WRITING):
            model(input_ids=ids)
    assert counter.take(0) == {}
    with torch.no_grad(), timer.part(Part.GENERATION):
        model(input_ids=ids)
    counts = counter.take(0)
    assert counts["flops/generation"] == products(one_pass) / 2
    assert set(counts) == {"flops/generation", "bytes/generation"}
    with torch.no_grad(), timer.part(Part.SCORING):
        model(input_ids=ids)
    assert set(counter.take(0)) == {"flops/scoring", "bytes/scoring"}


def test_a_mixture_of_experts_is_not_guessed() -> None:
    model = Qwen3MoeForCausalLM(
        Qwen3MoeConfig(
            **SHAPE, num_key_value_heads=2, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16
        )
    )
    timer = StepTimer()
    counter = WorkCounter(model, timer)
    with torch.no_grad(), timer.part(Part.GENERATION):
        model(input_ids=torch.randint(0, 50, (1, 3)))
    assert counter.take(0) == {}


def test_the_machine_is_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "SECONDS", 0.05)
    device = torch.device("cpu")
    assert machine_speed.kept(tmp_path, device, torch.float32) is None
    speed = machine_speed.measured(tmp_path, device, torch.float32)
    assert speed.flops > 1e8 and speed.bytes > 1e8
    assert (
        machine_speed.kept(tmp_path, device, torch.float32)
        == speed
        == machine_speed.measured(tmp_path, device, torch.float32)
    )
    assert machine_speed.kept(tmp_path, device, torch.bfloat16) is None
