"""The product by oneDNN against torch's own: values, gradients, and what is left to torch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn import functional

from lab.training.cpu import linear as cpu_linear
from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.linear import CpuLinear, product
from lab.training.cpu.lora import CpuLora

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """As on a machine where it pays, for layers of any size; the shapes of what oneDNN multiplied."""
    shapes: list[torch.Size] = []
    multiply = cpu_linear._by_onednn

    def noted(x: torch.Tensor, *more: Any) -> torch.Tensor:
        shapes.append(x.shape)
        return multiply(x, *more)

    monkeypatch.setattr(cpu_linear, "pays", lambda: True)
    monkeypatch.setattr(cpu_linear, "LEAST", 1)
    monkeypatch.setattr(cpu_linear, "_by_onednn", noted)
    return shapes


@needs_onednn
@pytest.mark.parametrize("shape", [(7, 12), (3, 5, 12), (1, 1, 12), (2, 1, 4, 12)], ids=str)
@pytest.mark.parametrize(
    "trains", [{"x"}, {"weight"}, {"bias"}, {"x", "weight", "bias"}], ids=lambda names: "+".join(sorted(names))
)
def test_values_and_gradients_are_those_of_torch(
    always: list[torch.Size], shape: tuple[int, ...], trains: set[str]
) -> None:
    torch.manual_seed(2)
    given = {"x": torch.randn(shape), "weight": torch.randn(9, 12), "bias": torch.randn(9)}
    outcomes = []
    for multiply in (functional.linear, product):
        parts = {name: value.clone().requires_grad_(name in trains) for name, value in given.items()}
        result = multiply(*parts.values())
        (result * torch.arange(9.0)).sum().backward()
        outcomes.append([result.detach(), *[part.grad for part in parts.values()]])
    assert always, "oneDNN multiplied"
    for expected, found in zip(*outcomes, strict=True):
        assert (expected is None) == (found is None)
        if expected is not None:
            torch.testing.assert_close(found, expected)


@needs_onednn
def test_a_gradient_that_is_one_number_spread_out_is_taken(always: list[torch.Size]) -> None:
    x = torch.randn(4, 6, 12, requires_grad=True)
    product(x, torch.ones(9, 12)).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.full_like(x, 9.0))


@needs_onednn
def test_a_network_with_an_adapter_trains_as_with_torch(always: list[torch.Size]) -> None:
    torch.manual_seed(3)
    theirs = get_peft_model(
        nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 8, bias=False)),  # type: ignore[arg-type]
        LoraConfig(r=4, target_modules=["0", "2"], init_lora_weights=False),
    )
    ours = copy.deepcopy(theirs)
    cpu_lora.use_on_cpu(ours)
    cpu_linear.use_on_cpu(ours)
    cpu_lora.use_on_cpu(ours)  # an adapter that comes later finds the base as it is now
    kinds = {type(module) for module in ours.modules() if isinstance(module, (nn.Linear, CpuLora))}
    assert kinds == {CpuLora, CpuLinear}
    x = torch.randn(2, 3, 12)
    for model in (theirs, ours):
        model(x).square().sum().backward()
    for (name, one), (_, other) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad)
    assert len(always) > 2


@needs_onednn
@pytest.mark.parametrize("why", ["bf16", "autocast", "meta", "empty", "small", "slow"])
def test_what_is_left_to_torch(always: list[torch.Size], monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    layer, x = CpuLinear(12, 9), torch.randn(3, 12)
    if why == "bf16":
        layer, x = layer.bfloat16(), x.bfloat16()
    if why == "meta":
        layer, x = layer.to("meta"), x.to("meta")
    if why == "empty":
        x = x[:0]
    if why == "small":
        monkeypatch.setattr(cpu_linear, "LEAST", 3 * 12 * 9 + 1)
    if why == "slow":
        monkeypatch.setattr(cpu_linear, "pays", lambda: False)
    with torch.autocast("cpu", torch.bfloat16, enabled=why == "autocast"):
        result = layer(x)
        expected = functional.linear(x, layer.weight, layer.bias)
    assert always == [] and result.dtype == expected.dtype
    assert result.is_meta or torch.equal(result, expected)


def test_the_machine_is_measured_once_and_all_processes_choose_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_linear, "_settled", {})
    assert cpu_linear.measured() in (True, False)
    for first in (True, False):
        home = tmp_path / str(first)
        monkeypatch.setattr(cpu_linear, "measured", lambda first=first: first)
        cpu_linear.settle(home)
        monkeypatch.setattr(
            cpu_linear, "measured", lambda first=first: not first
        )  # by another process, on a busy machine
        cpu_linear._settled.clear()
        cpu_linear.settle(home)
        assert cpu_linear.pays() is first
    cpu_linear._settled.clear()
    assert cpu_linear.pays() is True  # nothing settled: as it is measured now
