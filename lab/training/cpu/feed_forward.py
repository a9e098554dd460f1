"""The feed-forward layer of a Llama on a CPU: down(silu(gate x) ∘ up x), of which backward keeps the two inputs of the product and no more.

Autograd keeps four tensors of the layer's inner width: the gate, its silu, up, and their product, which the adapter of ``down`` reads. Two of them are
made again in the backward pass, at the price of one silu and one multiplication (as Liger's fused SwiGLU does on a GPU, arXiv 2410.10989). For
SmolLM2-135M that is a third of all activations. The numbers are those of the plain layer, to the last bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.activations import SiLUActivation

from lab.training.cpu.families import FEED_FORWARDS
from lab.training.cpu.lora import CpuLora, CpuLora4bit, Plain, multiplied, returned


class CpuFeedForward(nn.Module):
    """A family's layer with this pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., width) for x of the same shape."""
        gate, up, down = self.gate_proj(x), self.up_proj(x), self.down_proj
        if isinstance(down, CpuLora | CpuLora4bit) and not (down._forward_hooks or down._forward_pre_hooks):
            part = down.adapted(gate)
            if part is not None:
                return _Down.apply(gate, up, part, *part.trained)  # type: ignore[no-any-return, no-untyped-call]
        output: torch.Tensor = down(_Gated.apply(gate, up))  # type: ignore[no-untyped-call]
        return output


class _Gated(torch.autograd.Function):
    """P = silu(g) ∘ u. For ∂L/∂P = G: ∂g = silu′(g) ∘ u ∘ G, ∂u = silu(g) ∘ G."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(gradient * up, gate), functional.silu(gate).mul_(gradient)


class _Down(torch.autograd.Function):
    """h = P Wᵀ + b + s (P Aᵀ) Bᵀ of P = silu(g) ∘ u, for g and u (..., inner); W and b do not train."""

    @staticmethod
    def forward(
        ctx: Any, gate: torch.Tensor, up: torch.Tensor, part: Plain, lora_down: torch.Tensor, lora_up: torch.Tensor
    ) -> torch.Tensor:
        gated = functional.silu(gate).mul_(up)
        rows = gated.view(-1, gated.size(-1)).to(part.format())
        output, low = multiplied(rows, part, lora_down, lora_up)
        ctx.save_for_backward(gate, up, low, lora_down, lora_up)
        ctx.part, ctx.format = part, rows.dtype
        return output.view(*gate.shape[:-1], output.size(-1))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up, low, lora_down, lora_up = ctx.saved_tensors
        opened = functional.silu(gate)
        rows = (opened * up).view(-1, gate.size(-1)).to(ctx.format)
        needed = any(ctx.needs_input_grad[:2])
        of_rows, to_down, to_up = returned(gradient, rows, low, ctx.part, lora_down, lora_up, to_rows=needed)
        del rows
        if of_rows is None:
            return None, None, None, to_down, to_up
        of_gated = of_rows.view(gate.shape).to(gate.dtype)  # nobody else's: it is written over
        of_up = opened.mul_(of_gated)
        of_gate = of_gated.mul_(up)
        torch.ops.aten.silu_backward.grad_input(of_gate, gate, grad_input=of_gate)
        return of_gate, of_up, None, to_down, to_up


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's feed-forward layers of the known families compute so."""
    for module in model.modules():
        if type(module) in FEED_FORWARDS and isinstance(module.act_fn, SiLUActivation | nn.SiLU):
            module.__class__ = CpuFeedForward
