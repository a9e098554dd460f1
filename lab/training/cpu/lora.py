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

from lab.training.cpu.linear import CpuLinear, product


@dataclass(frozen=True)
class Plain:
    """What a linear layer computes: y = x Wᵀ + b, and + s (x Aᵀ) Bᵀ where an adapter acts."""

    weight: torch.Tensor
    """(outputs, inputs), or what bitsandbytes packed of it into 4 bits."""
    bias: torch.Tensor | None
    adapter: tuple[torch.Tensor, torch.Tensor] | None = None
    """A of shape (rank, inputs), and B of shape (outputs, rank)."""
    scaling: float = 1.0
    packing: Any = None
    """How bitsandbytes packed the weight (its ``quant_state``); None where it is as it is."""

    @property
    def outputs(self) -> int:
        """Of the layer."""
        return int(self._shape[0])

    @property
    def inputs(self) -> int:
        """Of the layer."""
        return int(self._shape[1])

    @property
    def _shape(self) -> torch.Size:
        return self.weight.shape if self.packing is None else self.packing.shape  # type: ignore[no-any-return]

    @property
    def trained(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A and B of the adapter that acts."""
        assert self.adapter is not None
        return self.adapter

    def dense(self) -> torch.Tensor:
        """W of shape (outputs, inputs); one that is packed into 4 bits is unpacked."""
        if self.packing is None:
            return self.weight
        from bitsandbytes.functional import dequantize_4bit

        return dequantize_4bit(self.weight.data, self.packing)

    def format(self) -> torch.dtype:
        """In which its products are made: autocast's, or that of W."""
        if torch.is_autocast_enabled("cpu"):
            return torch.get_autocast_dtype("cpu")
        return self.weight.dtype if self.packing is None else self.packing.dtype  # type: ignore[no-any-return]

    def joined(self) -> torch.Tensor:
        """W + s B A."""
        if self.adapter is None:
            return self.dense()
        down, up = self.adapter
        return torch.addmm(self.dense(), up, down, alpha=self.scaling)


class _CpuLora:
    """A LoRA layer of peft whose passes are made by ``_Product`` where they can be."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """h of shape (..., outputs) for x of shape (..., inputs)."""
        part = None if args or kwargs else self.adapted(x)
        if part is None:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return, misc]
        return _Product.apply(x, part, *part.trained)  # type: ignore[no-any-return, no-untyped-call]

    def adapted(self, x: torch.Tensor) -> Plain | None:
        """What the layer computes of x, where one plain adapter acts over weights that do not train; None where it is anything else."""
        part = None if self.disable_adapters else plain_of(self)  # type: ignore[attr-defined]
        if part is None or part.adapter is None or part.weight.requires_grad or (part.packing and not _is_fp32(x)):
            return None
        return part


class CpuLora(_CpuLora, lora.Linear):  # type: ignore[misc]
    """Over a linear layer."""


class CpuLora4bit(_CpuLora, getattr(lora, "Linear4bit", lora.Linear)):  # type: ignore[misc]
    """Over a layer in 4 bits, which is unpacked for each pass; bitsandbytes multiplies what it unpacked by MKL."""


class _Product(torch.autograd.Function):
    """h = x Wᵀ + b + s (x Aᵀ) Bᵀ for x (..., inputs), A (rank, inputs), B (outputs, rank); W and b do not train."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, part: Plain, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.part, ctx.dtype = part, x.dtype
        rows = x.reshape(-1, x.size(-1)).to(part.format())
        output, low = multiplied(rows, part, down, up)
        ctx.save_for_backward(rows, low, down, up)
        return output.view(*x.shape[:-1], output.size(-1))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, low, down, up = ctx.saved_tensors
        to_x, to_down, to_up = returned(gradient, rows, low, ctx.part, down, up, to_rows=ctx.needs_input_grad[0])
        if to_x is not None:
            to_x = to_x.to(ctx.dtype).view(*gradient.shape[:-1], to_x.size(-1))
        return to_x, None, to_down, to_up


def multiplied(
    rows: torch.Tensor, part: Plain, down: torch.Tensor, up: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """h (n, outputs) of rows (n, inputs), and x Aᵀ (n, rank), in the format of the rows."""
    dtype = rows.dtype
    low = functional.linear(rows, down.to(dtype))
    output = product(rows, part.dense().to(dtype), None if part.bias is None else part.bias.to(dtype))
    output.addmm_(low, up.to(dtype).t(), alpha=part.scaling)
    return output, low


def returned(
    gradient: torch.Tensor,
    rows: torch.Tensor,
    low: torch.Tensor,
    part: Plain,
    down: torch.Tensor,
    up: torch.Tensor,
    *,
    to_rows: bool,
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """The gradients of the rows (where asked for), of A and of B.

    For ∂L/∂h = G: ∂x = G W + s (G B) A, ∂A = s (G B)ᵀ x, ∂B = s Gᵀ (x Aᵀ).
    """
    dtype = rows.dtype
    of_output = gradient.reshape(-1, gradient.size(-1)).to(dtype)
    of_low = torch.mm(of_output, up.to(dtype)).mul_(part.scaling)
    of_rows = None
    if to_rows:
        of_rows = product(of_output, part.dense().to(dtype).t()).addmm_(of_low, down.to(dtype))
    to_down, to_up = torch.mm(of_low.t(), rows), torch.mm(of_output.t(), low).mul_(part.scaling)
    return of_rows, to_down.to(down.dtype), to_up.to(up.dtype)


def plain_of(layer: Any) -> Plain | None:
    """What a layer computes now, in fp32 or bf16 on a CPU, or in fp32 from 4 bits; None where it is anything else."""
    base: Any = getattr(layer, "base_layer", layer) if isinstance(layer, _CpuLora) else layer
    weight = base.weight
    # Of a sharded base the layer has it, and not the weight.
    packing = getattr(weight, "quant_state", None) or getattr(base, "quant_state", None)
    if packing is not None:
        known = packing.dtype is torch.float32 and not getattr(packing, "packing_format_for_cpu", False)
    else:
        known = type(base) in (nn.Linear, CpuLinear) and weight.dtype in (torch.float32, torch.bfloat16)
    if not known:
        return None
    if base is layer or layer.disable_adapters:
        return Plain(weight, base.bias, packing=packing)
    if (name := _only_adapter(layer)) is None:
        return None
    adapter = layer.lora_A[name].weight, layer.lora_B[name].weight
    return Plain(weight, base.bias, adapter, layer.scaling[name], packing)


def _only_adapter(layer: Any) -> str | None:
    """The adapter that acts, where there is one and it is plain."""
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    if len(names) != 1 or layer.merged:
        return None
    name: str = names[0]
    dropout = layer.lora_dropout[name]
    plain = name not in layer.lora_variant and layer.lora_B[name].bias is None
    return name if plain and (isinstance(dropout, nn.Identity) or not layer.training) else None


def _is_fp32(x: torch.Tensor) -> bool:
    return x.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's LoRA layers over plain linear ones, and over such in 4 bits, compute so. Adapters that are added later are theirs, too."""
    for module in model.modules():
        if type(module) is lora.Linear and type(module.base_layer) in (nn.Linear, CpuLinear):
            module.__class__ = CpuLora
        elif type(module).__name__ == "Linear4bit" and isinstance(module, lora.LoraLayer):
            module.__class__ = CpuLora4bit
