"""LoRA's product on a CPU: added in place to the layer's own, h = W x, then h += B (s A x).

peft computes W x + s · (B (A x)): three more tensors of the layer's width, and under bf16 autocast two more casts of x. For 2,400 tokens in the
widest layer of SmolLM2-135M, on two cores in bf16, that takes three times as long. Everything that is not plain LoRA (several
adapters at once, variants such as DoRA, dropout while training) is left to peft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.nn import functional

from lab.training.models.cpu_linear import CpuLinear


@dataclass(frozen=True)
class Plain:
    """What a linear layer computes: y = x Wᵀ + b, and + s (x Aᵀ) Bᵀ where an adapter acts."""

    weight: torch.Tensor
    """(outputs, inputs)"""
    bias: torch.Tensor | None
    adapter: tuple[torch.Tensor, torch.Tensor] | None = None
    """A of shape (rank, inputs), and B of shape (outputs, rank)."""
    scaling: float = 1.0

    def joined(self) -> torch.Tensor:
        """W + s B A."""
        if self.adapter is None:
            return self.weight
        down, up = self.adapter
        return torch.addmm(self.weight, up, down, alpha=self.scaling)


class CpuLora(lora.Linear):  # type: ignore[misc]
    """A LoRA layer of peft whose forward pass is made in place where it can be."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """h of shape (..., outputs) for x of shape (..., inputs)."""
        name = self._only_adapter()
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        rows = x.reshape(-1, x.size(-1))  # a view of a product by oneDNN could not be added to
        output: torch.Tensor = self.base_layer(rows)
        dtype = output.dtype
        down, up = self.lora_A[name].weight.to(dtype), self.lora_B[name].weight.to(dtype)
        low = functional.linear(rows.to(dtype), down) * self.scaling[name]
        return output.addmm_(low, up.t()).view(*x.shape[:-1], output.size(-1))

    def _only_adapter(self) -> str | None:
        """The adapter that acts, where there is one and it is plain."""
        names = [name for name in self.active_adapters if name in self.lora_A]
        if len(names) != 1 or self.disable_adapters or self.merged:
            return None
        name: str = names[0]
        dropout = self.lora_dropout[name]
        plain = name not in self.lora_variant and self.lora_B[name].bias is None
        return name if plain and (isinstance(dropout, nn.Identity) or not self.training) else None


def plain_of(layer: nn.Module) -> Plain | None:
    """What a layer computes now, in fp32 or bf16 on a CPU; None where it is anything else."""
    base = layer.base_layer if isinstance(layer, CpuLora) else layer
    if type(base) not in (nn.Linear, CpuLinear) or base.weight.dtype not in (torch.float32, torch.bfloat16):
        return None
    if base is layer or layer.disable_adapters:
        return Plain(base.weight, base.bias)
    if (name := layer._only_adapter()) is None:
        return None
    adapter = layer.lora_A[name].weight, layer.lora_B[name].weight
    return Plain(base.weight, base.bias, adapter, layer.scaling[name])


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's LoRA layers over plain linear ones compute so. Adapters that are added later are theirs, too."""
    for module in model.modules():
        if type(module) is lora.Linear and type(module.base_layer) in (nn.Linear, CpuLinear):
            module.__class__ = CpuLora
