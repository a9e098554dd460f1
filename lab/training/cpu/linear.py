"""Products with weights in fp32 on a CPU: x Wᵀ + b by oneDNN, where that is faster than torch's own.

torch multiplies fp32 matrices by MKL, which takes slow kernels on AMD's processors. oneDNN, which torch brings along for bf16, was 2.0 to 2.4 times
as fast there for 2,048 rows, forward and backward, and 1.8 to 2.7 times for the 16 rows of a token that is being written. Which one is faster here
is measured once for each start of the machine, never told by the name of the chip. Small layers are left to torch, whose call costs less. Not here: bf16, which
torch multiplies by oneDNN itself.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from lab.store import boot_cache
from lab.training.cpu.stopwatch import best_in_turn

LEAST = 1 << 22
"""Multiplications of a product from which on it takes longer than the call."""
LEAST_LAID_OUT = 1 << 18
"""Weights from which on a layer is laid out for oneDNN: each number of rows that are being written costs a kernel of .3 ms and .7 MB there."""
PAYS = 1.3
"""How many times as fast oneDNN must be."""
MEASURED = {32: 0.03, 512: 0.12}
"""Rows of the products that are measured, and for how many seconds."""
SHAPE = (1536, 576)

_settled: dict[int, bool] = {}
"""Whether oneDNN is faster, by threads."""


def settle(home: Path) -> None:
    """Choose for this process as for all others since the machine was started, so that a resumed run computes as it began."""
    threads = torch.get_num_threads()
    kept = boot_cache.kept_or_measured(home, f"fp32-products-{threads}", lambda: {"onednn": measured()})
    _settled[threads] = bool(kept.get("onednn"))


def pays() -> bool:
    """Whether oneDNN is faster here; measured now where nothing was settled."""
    threads = torch.get_num_threads()
    if threads not in _settled:
        _settled[threads] = measured()
    return _settled[threads]


def measured() -> bool:
    """Whether oneDNN is faster, for few rows and for many."""
    if not torch.backends.mkldnn.is_available():
        return False
    weight = torch.ones(SHAPE)
    works = (functional.linear, _by_onednn)
    for rows, seconds in MEASURED.items():
        x = torch.ones(rows, SHAPE[1])
        best = best_in_turn({work: partial(work, x, weight) for work in works}, seconds)
        if best[functional.linear] < PAYS * best[_by_onednn]:
            return False
    return True


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x Wᵀ + b of shape (..., outputs) for x (..., inputs), W (outputs, inputs) and b (outputs,), with its gradients."""
    if not _is_faster(x, weight):
        return functional.linear(x, weight, bias)
    if torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in (x, weight, bias)):
        return _Product.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
    return _by_onednn(x, weight, bias)


def _is_faster(x: torch.Tensor, weight: torch.Tensor) -> bool:
    fp32 = x.dtype is weight.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
    on_cpu = x.device.type == weight.device.type == "cpu"
    return fp32 and on_cpu and x.numel() * len(weight) >= LEAST and pays()


def _by_onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class _Product(torch.autograd.Function):
    """∂L/∂x = G W, ∂L/∂W = Gᵀ x, ∂L/∂b = Σ G, for G = ∂L/∂(x Wᵀ + b)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        to_x, to_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if to_weight else None, weight if to_x else None)
        return _by_onednn(x, weight, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        gradient = gradient.contiguous()
        flat = gradient.view(-1, gradient.size(-1))
        return (
            _by_onednn(gradient, weight.t()) if to_x else None,
            _by_onednn(flat.t(), x.reshape(-1, x.size(-1)).t()) if to_weight else None,
            flat.sum(0) if to_bias else None,
        )


def laid_out(weight: torch.Tensor) -> torch.Tensor:
    """A copy of W that oneDNN need not lay out anew for each product, where it multiplies such weights here; otherwise W."""
    bf16 = weight.dtype is torch.bfloat16 and torch.backends.mkldnn.is_available() and _computes_bf16()
    fp32 = weight.dtype is torch.float32 and weight.numel() >= LEAST_LAID_OUT and pays()
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None) if bf16 or fp32 else weight.detach()


def by_laid_out(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x Wᵀ + b for x (n, inputs) with W as ``laid_out`` gave it; no gradients."""
    return _by_onednn(x, weight, bias) if weight.is_mkldnn else product(x, weight, bias)


@cache
def _computes_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class CpuLinear(nn.Linear):
    """torch's layer with this product."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """x Wᵀ + b."""
        return product(input, self.weight, self.bias)


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's plain linear layers compute so."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = CpuLinear
