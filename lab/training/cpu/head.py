"""log π of given tokens from hidden states, on a CPU: what trl's fused language-model head computes, in pieces that stay in the cache.

trl's ``ChunkedLogProbFunction`` is made for CUDA. Without Triton it scores the prompts' places, too, makes tiles of 4,096 places × 32,768
words, and multiplies back in fp32: of a GRPO step of SmolLM2-135M on two cores that was more than half. Here a tile has ``TILE`` words and
``PLACES`` places, or as many as ``GRADIENT`` allows, and the product back to the hidden states is one over the whole vocabulary, in the run's own format:
the processor sums it in fp32. Not here: what is made of log π (``algorithms/losses.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer import utils as trl_utils

from lab.training.cpu.linear import product

TILE, PLACES = 4096, 512
"""Words, and at most how many places, whose logits are there at once."""
GRADIENT = 8 << 20
"""Numbers of the logits' gradient that are there at once."""


def use_on_cpu() -> None:
    """Let trl's models score by this function, and only the places that have a label, from now on in this process."""
    trl_utils._ChunkedLogProbFunction = CpuHead
    trl_utils._use_triton = lambda _device: (
        True
    )  # what it asks this for there is whether places without a label are left out


@dataclass(frozen=True)
class _Logits:
    """z = softcap(s · (h Wᵀ + b)) / temperature, of V words."""

    weight: torch.Tensor
    """(V, H), in the format of the products."""
    bias: torch.Tensor | None
    temperature: float
    softcap: float | None
    scale: float

    def pieces(self, places: int) -> Iterator[slice]:
        """As many places at once as ``PLACES`` and ``GRADIENT`` allow; on ``meta`` the first of them alone, since the others take no more memory."""
        size = max(1, min(PLACES, GRADIENT // len(self.weight)))
        end = min(places, size) if self.weight.is_meta else places
        return (slice(at, min(at + size, end)) for at in range(0, end, size))

    def tiles(self, hidden: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """The first word of each tile, and z of its words (n, TILE), fp32; the caller may overwrite it."""
        for left in range(0, len(self.weight), TILE):
            z = product(hidden, self.weight[left : left + TILE]).float()
            if self.bias is not None:
                z += self.bias[left : left + TILE]
            if self.scale != 1:
                z *= self.scale
            if self.softcap:
                z = torch.tanh_(z.div_(self.softcap)).mul_(self.softcap)
            yield left, z if self.temperature == 1 else z.div_(self.temperature)

    def to_product(self, gradient: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """∂L/∂(h Wᵀ) from ∂L/∂z, in place."""
        if self.softcap:
            gradient *= 1 - (z * (self.temperature / self.softcap)).square_()
        factor = self.scale / self.temperature
        return gradient if factor == 1 else gradient.mul_(factor)


class CpuHead(torch.autograd.Function):
    """log π(y) = z_y − log Σ_v exp z_v for N places, H hidden states each.

    Arguments and outputs are those of trl's function; of its five outputs ``log_sum_sq_probs`` and ``mean_logits``, which nothing here
    reads, are None.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        temperature: float,
        _chunk_size: int,
        softcap: float | None = None,
        scale: float = 1.0,
        outputs: tuple[str, ...] = (),
    ) -> tuple[torch.Tensor | None, ...]:
        """log π (N,), and where asked for the entropy (N,) and whether the target is the first word of the largest z (N,)."""
        ctx.set_materialize_grads(False)
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        ctx.options = (temperature, softcap, scale, dtype)
        logits = _Logits(weight.to(dtype), bias, temperature, softcap, scale)

        of_target, log_z, mean_z = (hidden.new_zeros(len(hidden), dtype=torch.float32) for _ in range(3))
        best = torch.zeros_like(targets)
        for piece in logits.pieces(len(hidden)):
            top, total, weighted = (
                torch.full_like(log_z[piece], -torch.inf),
                log_z[piece].clone(),
                mean_z[piece].clone(),
            )
            for left, z in logits.tiles(hidden[piece].to(dtype)):
                largest, place = z.max(1)
                best[piece] = torch.where(largest > top, place + left, best[piece])
                before, top = top, torch.maximum(top, largest)
                in_tile, columns = _columns(targets[piece], left, z)
                of_target[piece] = torch.where(in_tile, z.gather(1, columns).squeeze(1), of_target[piece])
                exponentials, shrink = (z - top.unsqueeze(1)).exp_(), (before - top).exp_()
                total = total * shrink + exponentials.sum(1)
                if "entropy" in outputs:
                    weighted = weighted * shrink + torch.linalg.vecdot(exponentials, z)
            log_z[piece], mean_z[piece] = top + total.log(), weighted / total

        entropy = log_z - mean_z
        ctx.save_for_backward(hidden, weight, bias, targets, log_z, entropy)
        is_top1 = best == targets
        ctx.mark_non_differentiable(is_top1)
        return (
            of_target - log_z,
            entropy if "entropy" in outputs else None,
            None,
            None,
            is_top1 if "is_top1" in outputs else None,
        )

    @staticmethod
    def backward(
        ctx: Any, of_log_probs: torch.Tensor | None, of_entropy: torch.Tensor | None, *_: Any
    ) -> tuple[torch.Tensor | None, ...]:
        """∂L/∂h, and ∂L/∂W and ∂L/∂b where they train; z is computed a second time.

        ∂log π(y)/∂z_j = 1[j = y] − p_j;  ∂entropy/∂z_j = −p_j (log p_j + entropy).
        """
        hidden, weight, bias, targets, log_z, entropy = ctx.saved_tensors
        temperature, softcap, scale, dtype = ctx.options
        logits = _Logits(weight.to(dtype), bias, temperature, softcap, scale)
        to_hidden, to_weight, to_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.empty_like(hidden) if to_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if to_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if to_bias else None
        for piece in logits.pieces(len(hidden)):
            states = hidden[piece].to(dtype)
            gradient = states.new_empty(len(states), len(weight))  # ∂L/∂(h Wᵀ)
            for left, z in logits.tiles(states):
                log_p = z - log_z[piece].unsqueeze(1)
                p, of_z = log_p.exp(), torch.zeros_like(z)
                if of_log_probs is not None:
                    wanted = of_log_probs[piece].float().unsqueeze(1)
                    in_tile, columns = _columns(targets[piece], left, z)
                    of_z = (p * -wanted).scatter_add_(1, columns, wanted * in_tile.unsqueeze(1))
                if of_entropy is not None:
                    of_z -= of_entropy[piece].float().unsqueeze(1) * p * (log_p + entropy[piece].unsqueeze(1))
                gradient[:, left : left + TILE] = logits.to_product(of_z, z)
            if grad_hidden is not None:
                grad_hidden[piece] = product(gradient, logits.weight.t())
            if grad_weight is not None:
                grad_weight.addmm_(gradient.t().float(), states.float())
            if grad_bias is not None:
                grad_bias += gradient.sum(0, dtype=torch.float32)
        return (
            grad_hidden,
            None if grad_weight is None else grad_weight.to(weight.dtype),
            None if grad_bias is None else grad_bias.to(bias.dtype),
            *[None] * 6,
        )


def _columns(targets: torch.Tensor, left: int, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each target stands in the tile (n,), and its column there (n, 1); 0 where it does not."""
    columns = targets - left
    in_tile = (columns >= 0) & (columns < z.size(1))
    return in_tile, torch.where(in_tile, columns, 0).unsqueeze(1)
