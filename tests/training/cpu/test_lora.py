"""LoRA's product made in place: what peft gives, its gradients, and what is left to peft."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, get_peft_model
from torch import nn

from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.lora import CpuLora, CpuLora4bit
from tests.training.cpu.outcome import outcome


def pair(**more: Any) -> tuple[Any, Any]:
    """A small network with an adapter whose B is not zero: as peft has it, and the same on a CPU."""
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 8, bias=False))
    model = get_peft_model(network, LoraConfig(r=4, lora_alpha=8, target_modules=["0", "2"], **more))  # type: ignore[arg-type]
    for name, value in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(value)
    ours = copy.deepcopy(model)
    cpu_lora.use_on_cpu(ours)
    return model, ours


def layers(model: Any) -> list[Any]:
    return [module for module in model.modules() if hasattr(module, "lora_A")]


@pytest.mark.parametrize("shape", [(7, 12), (3, 5, 12), (1, 1, 12)], ids=str)
def test_output_and_gradients_are_those_of_peft(shape: tuple[int, ...]) -> None:
    theirs, ours = pair()
    assert [type(layer) for layer in layers(ours)] == [CpuLora, CpuLora]
    x = torch.randn(shape)
    expected, found = outcome(theirs, x), outcome(ours, x)
    assert len(found) == len(expected) == 6
    for one, other in zip(found, expected, strict=True):
        # fp32 rounds a sum by its largest terms, and each CPU adds them in an order of its own
        torch.testing.assert_close(one, other, atol=1e-5 * float(other.abs().max()), rtol=1e-5)


def test_over_four_bits_output_and_gradients_are_those_of_peft() -> None:
    torch.manual_seed(5)
    network = nn.Sequential(Linear4bit(64, 96, compute_dtype=torch.float32, quant_type="nf4"))
    network = network.to("cpu")  # packs
    network[0].support_avx512bf16_for_cpu = False
    network.is_loaded_in_4bit = True  # as peft knows it by
    theirs: Any = get_peft_model(network, LoraConfig(r=4, target_modules=["0"], init_lora_weights=False))  # type: ignore[arg-type]
    ours = copy.deepcopy(theirs)
    cpu_lora.use_on_cpu(ours)
    assert [type(layer) for layer in layers(ours)] == [CpuLora4bit]
    x = torch.randn(3, 7, 64)
    expected, found = outcome(theirs, x), outcome(ours, x)
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # peft's own
        torch.testing.assert_close(ours(x), theirs(x))


def test_in_bf16_it_is_as_near_to_fp32_as_peft_is() -> None:
    theirs, ours = pair()
    x = torch.randn(64, 12)
    exact = theirs(x)
    for model in (theirs, ours):
        for name, value in model.named_parameters():
            if "base_layer" in name:
                value.data = value.data.bfloat16()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        off = [float((model(x.bfloat16()) - exact).norm() / exact.norm()) for model in (theirs, ours)]
    assert off[1] < 1.2 * off[0] and off[1] < 0.01
    with torch.no_grad():  # generating makes no autocast
        assert float((ours(x.bfloat16()) - exact).norm() / exact.norm()) < 0.01


def test_switched_off_merged_and_two_adapters_are_peft_s(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = pair()
    x = torch.randn(6, 12)
    with theirs.disable_adapter(), ours.disable_adapter():
        torch.testing.assert_close(ours(x), theirs(x))
    for model in (theirs, ours):
        torch.manual_seed(8)
        model.add_adapter("second", LoraConfig(r=4, lora_alpha=8, target_modules=["0", "2"], init_lora_weights=False))
        model.set_adapter("second")
    torch.testing.assert_close(ours(x), theirs(x))  # an adapter that came later acts, too
    for model in (theirs, ours):
        model.base_model.set_adapter(["default", "second"])
    torch.testing.assert_close(ours(x), theirs(x))
    expected = theirs(x)
    torch.testing.assert_close(ours.merge_and_unload()(x), expected)


def test_dropout_acts_while_training_and_not_afterwards() -> None:
    theirs, ours = pair(lora_dropout=0.5)
    x = torch.randn(6, 12)
    for train in (True, False):
        found = []
        for model in (theirs.train(train), ours.train(train)):
            torch.manual_seed(2)
            found.append(model(x))
        torch.testing.assert_close(*found)


def test_other_kinds_of_adapters_are_left_as_they_are() -> None:
    theirs, ours = pair(use_dora=True)
    x = torch.randn(6, 12)
    torch.testing.assert_close(ours(x), theirs(x))
