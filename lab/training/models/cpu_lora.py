"""LoRA's product on a CPU: added in place to the layer's own, h = W x, then h += B (s A x).

peft computes W x + s · (B (A x)): three more tensors of the layer's width, and under bf16 autocast two more casts of x. For 2,400 tokens in the
widest layer of SmolLM2-135M, on two cores in bf16, that takes three times as long. Everything that is not plain LoRA (several
adapters at once, variants such as DoRA, dropout while training) is left to peft.

While completions are written, a small model in fp32 computes with W + s B A, which is put together once a rollout: of the tiny model's time a
token, a fifth. The weights themselves stay as they are. A large model has no memory for a second copy, bf16 would round the adapter away, and
of a sharded base a process has no whole weight outside of a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.nn import functional

from lab.training.models.cpu_linear import CpuLinear
from lab.training.models.sharding import is_sharded

SMALL = 20_000_000
"""Weights of all layers together up to which a second copy is made while completions are written."""


class CpuLora(lora.Linear):  # type: ignore[misc]
    """A LoRA layer of peft whose forward pass is made in place where it can be."""

    joined: tuple[str, torch.Tensor] | None = None
    """An adapter's name, and W + s B A of shape (outputs, inputs)."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """h of shape (..., outputs) for x of shape (..., inputs)."""
        name = self._only_adapter()
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        if self.joined is not None and self.joined[0] == name and not torch.is_grad_enabled():
            return functional.linear(x, self.joined[1], self.base_layer.bias)
        rows = x.reshape(-1, x.size(-1))  # a view of a product by oneDNN could not be added to
        output: torch.Tensor = self.base_layer(rows)
        dtype = output.dtype
        down, up = self.lora_A[name].weight.to(dtype), self.lora_B[name].weight.to(dtype)
        low = functional.linear(rows.to(dtype), down) * self.scaling[name]
        return output.addmm_(low, up.t()).view(*x.shape[:-1], output.size(-1))

    @torch.no_grad()
    def join(self) -> None:
        """Put the acting adapter and the weight together, for passes without gradients."""
        if (name := self._only_adapter()) is not None:
            up, down = self.lora_B[name].weight, self.lora_A[name].weight
            self.joined = name, torch.addmm(self.base_layer.weight, up, down, alpha=self.scaling[name])

    def _only_adapter(self) -> str | None:
        """The adapter that acts, where there is one and it is plain."""
        names = [name for name in self.active_adapters if name in self.lora_A]
        if len(names) != 1 or self.disable_adapters or self.merged:
            return None
        name: str = names[0]
        dropout = self.lora_dropout[name]
        plain = name not in self.lora_variant and self.lora_B[name].bias is None
        return name if plain and (isinstance(dropout, nn.Identity) or not self.training) else None


@contextmanager
def joined_adapters(model: nn.Module) -> Iterator[None]:
    """Within the block, passes without gradients use W + s B A, where the model is small and all of it is fp32. Nothing may train in it."""
    layers = [module for module in model.modules() if isinstance(module, CpuLora)]
    tensors = [value for layer in layers for value in layer.parameters()]
    small = sum(layer.base_layer.weight.numel() for layer in layers) <= SMALL
    if (
        small
        and not is_sharded(model)
        and all(value.dtype is torch.float32 and value.device.type == "cpu" for value in tensors)
    ):
        for layer in layers:
            layer.join()
    try:
        yield
    finally:
        for layer in layers:
            layer.joined = None


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's LoRA layers over plain linear ones compute so. Adapters that are added later are theirs, too."""
    for module in model.modules():
        if type(module) is lora.Linear and type(module.base_layer) in (nn.Linear, CpuLinear):
            module.__class__ = CpuLora
