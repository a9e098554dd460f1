"""The feed-forward layer of a Llama on a CPU: the plain layer's numbers, with half of its tensors kept for backward."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.autograd.graph import saved_tensors_hooks
from transformers import LlamaConfig, MistralConfig, PreTrainedConfig, Qwen2Config, Qwen3Config
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.mistral.modeling_mistral import MistralMLP
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

from lab.training.cpu import feed_forward
from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.feed_forward import CpuFeedForward
from lab.training.cpu.lora import CpuLora
from tests.training.cpu.outcome import outcome

SIZES: dict[str, Any] = {"hidden_size": 12, "intermediate_size": 40, "num_attention_heads": 2}
FAMILIES = [(LlamaMLP, LlamaConfig), (MistralMLP, MistralConfig), (Qwen2MLP, Qwen2Config), (Qwen3MLP, Qwen3Config)]
ALL = ("gate_proj", "up_proj", "down_proj")


def pair(
    kind: Any = LlamaMLP,
    config: type[PreTrainedConfig] = LlamaConfig,
    targets: tuple[str, ...] = ALL,
    dtype: torch.dtype = torch.float32,
    **more: Any,
) -> tuple[Any, Any]:
    """A layer with adapters on ``targets``, none where these are empty: as transformers and ``CpuLora`` have it, and with the pass of its own."""
    torch.manual_seed(5)
    theirs = torch.nn.Sequential(kind(config(**SIZES | more))).to(dtype)
    if targets:
        adapters = LoraConfig(r=4, lora_alpha=8, target_modules=list(targets), init_lora_weights=False)
        theirs = get_peft_model(theirs, adapters, autocast_adapter_dtype=True)  # type: ignore[arg-type]
        cpu_lora.use_on_cpu(theirs)
    ours = copy.deepcopy(theirs)
    feed_forward.use_on_cpu(ours)
    return theirs, ours


def kept_bytes(model: Any, x: torch.Tensor) -> int:
    """What autograd keeps of a pass beside weights."""
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}

    def noted(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    alive: list[torch.Tensor] = []
    with saved_tensors_hooks(noted, lambda tensor: tensor):
        model(x)
    return sum(kept.values())


def made_of(model: Any) -> list[type]:
    return [type(module) for module in model.modules() if hasattr(module, "gate_proj")]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0].__name__)
@pytest.mark.parametrize("targets", [ALL, ("down_proj",), ("gate_proj", "up_proj"), ()], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_numbers_are_those_of_the_plain_layer(family: Any, targets: tuple[str, ...], dtype: torch.dtype) -> None:
    theirs, ours = pair(*family, targets, dtype)
    assert made_of(ours) == [CpuFeedForward] and made_of(theirs) == [family[0]]
    x = torch.randn(3, 7, 12, dtype=dtype)
    expected, found = outcome(theirs, x), outcome(ours, x)
    assert len(found) == len(expected) == 2 + (2 * len(targets) or 3)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


def test_under_autocast_too() -> None:
    theirs, ours = pair()
    x = torch.randn(2, 5, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, found = outcome(theirs, x), outcome(ours, x)
    assert found[0].dtype is torch.bfloat16
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(("targets", "tensors"), [(ALL, 2), ((), 3)], ids=["lora", "all weights"])
def test_two_tensors_of_the_inner_width_are_kept_with_adapters_three_without(
    targets: tuple[str, ...], tensors: int
) -> None:
    """Plainly four: the gate, its silu, up and their product."""
    theirs, ours = pair(targets=targets, intermediate_size=4000)
    x = torch.randn(16, 12)
    inner = 16 * 4000 * 4
    assert 4 * inner <= kept_bytes(theirs, x) < 4.1 * inner
    assert tensors * inner <= kept_bytes(ours, x) < (tensors + 0.1) * inner


def test_what_frozen_inputs_and_other_adapters_need_is_left_to_autograd() -> None:
    theirs, ours = pair(targets=("down_proj",))
    x = torch.randn(4, 12)  # its gradient is not needed
    for model in (theirs, ours):
        model.zero_grad()
        model(x).sum().backward()
    down = [(each.grad, other.grad) for each, other in zip(theirs.parameters(), ours.parameters(), strict=True)]
    assert all(torch.equal(one, other) for one, other in down if one is not None and other is not None)
    assert [one is None for one, _ in down] == [other is None for _, other in down]
    for model in (theirs, ours):
        model.disable_adapter_layers()
    assert torch.equal(ours(x), theirs(x))


def test_a_hook_on_down_hears_its_input() -> None:
    _, ours = pair()
    heard: list[torch.Size] = []
    down = next(module for module in ours.modules() if isinstance(module, CpuLora) and module.in_features == 40)
    down.register_forward_hook(lambda _module, given, _output: heard.append(given[0].shape))
    ours(torch.randn(2, 5, 12))
    assert heard == [torch.Size([2, 5, 40])]


def test_another_activation_is_left_as_it_is() -> None:
    theirs, ours = pair(hidden_act="gelu")
    assert made_of(ours) == made_of(theirs) == [LlamaMLP]
