"""LoRA's product on a CPU: added in place to the layer's own, h = W x, then h += s B (A x), and back the same way.

peft computes W x + s · (B (A x)): three more tensors of the layer's width, and under bf16 autocast two more casts of x; autograd then walks nine
nodes a layer. For 2,400 tokens in the widest layer of SmolLM2-135M, on two cores in bf16, that takes three times as long. Everything that is not
plain LoRA (several adapters at once, variants such as DoRA, dropout while training) is left to peft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lab.training.models.cpu_linear import CpuLinear, product


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
    """A LoRA layer of peft whose passes are made by ``_Product`` where they can be."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """h of shape (..., outputs) for x of shape (..., inputs)."""
        part = None if args or kwargs or self.disable_adapters else plain_of(self)
        if part is None or part.adapter is None or part.weight.requires_grad:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        return _Product.apply(x, part.weight, part.bias, *part.adapter, part.scaling)  # type: ignore[no-any-return, no-untyped-call]

    def _only_adapter(self) -> str | None:
        """The adapter that acts, where there is one and it is plain."""
        names = [name for name in self.active_adapters if name in self.lora_A]
        if len(names) != 1 or self.disable_adapters or self.merged:
            return None
        name: str = names[0]
        dropout = self.lora_dropout[name]
        plain = name not in self.lora_variant and self.lora_B[name].bias is None
        return name if plain and (isinstance(dropout, nn.Identity) or not self.training) else None


class _Product(torch.autograd.Function):
    """h = x Wᵀ + b + s (x Aᵀ) Bᵀ for x (..., inputs), A (rank, inputs), B (outputs, rank); W and b do not train.

    For ∂L/∂h = G: ∂x = G W + s (G B) A, ∂A = s (G B)ᵀ x, ∂B = s Gᵀ (x Aᵀ). Products are made in the format of W, or autocast's.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
        rows = x.reshape(-1, x.size(-1)).to(dtype)
        low = functional.linear(rows, down.to(dtype))
        output = product(rows, weight.to(dtype), None if bias is None else bias.to(dtype))
        output.addmm_(low, up.to(dtype).t(), alpha=scaling)
        ctx.save_for_backward(rows, low, weight, down, up)
        ctx.scaling, ctx.dtype = scaling, x.dtype
        return output.view(*x.shape[:-1], output.size(-1))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, low, weight, down, up = ctx.saved_tensors
        of_output = gradient.reshape(-1, gradient.size(-1)).to(rows.dtype)
        of_low = torch.mm(of_output, up.to(rows.dtype)).mul_(ctx.scaling)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = product(of_output, weight.to(rows.dtype).t()).addmm_(of_low, down.to(rows.dtype))
            to_x = to_x.to(ctx.dtype).view(*gradient.shape[:-1], weight.size(1))
        to_down, to_up = torch.mm(of_low.t(), rows), torch.mm(of_output.t(), low).mul_(ctx.scaling)
        return to_x, None, None, to_down.to(down.dtype), to_up.to(up.dtype), None


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
