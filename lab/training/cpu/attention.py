"""Attention of short rows on a CPU: softmax(s Q Kᵀ + mask) V by plain products, forward and back.

torch's fused attention is made for long rows. For 32 rows of 70 tokens of SmolLM2-135M, on two cores, it takes 36 ms a layer forward and back in
bf16 and 20 in fp32, these products 14 in both; for one new token a row in bf16 five times as long as in fp32. As there, the weights are made again in the
backward pass, so that no layer keeps them. Rows go through in portions that stay in the cache, and keys that heads share are not copied.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

PORTION = 1 << 19
"""Scores that are there at once."""
SHORT = 128 * 128
"""Queries × keys of a row up to which this is faster."""


def use_on_cpu() -> None:
    """Let transformers' ``sdpa`` attention be this one from now on in this process, where it serves."""
    AttentionInterface.register("sdpa", attention)


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """As ``sdpa_attention_forward``, which is called where this does not serve.

    For Q (n, H, T, D), K and V (n, G, S, D), each of the G for H / G heads, and a mask (n or 1, 1, T, S) of booleans or of numbers to add:
    (n, T, H, D). Of a pass with ``flat_rows`` (``flat_rows.py``), which has one row of them all, these make it.
    """
    if (rows := others.get("flat_rows")) is not None:
        return rows.attend(query, key, value, scaling), None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    plain = not dropout and all(each is None for name, each in others.items() if name in ("position_bias", "cache"))
    if not plain or not _serves(query, key, value, attention_mask):
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, dropout, scaling, is_causal, **others
        )
    size = query.size(-1) ** -0.5 if scaling is None else scaling
    seen = _seen(causal, query, key) if attention_mask is None else attention_mask
    with torch.autocast("cpu", enabled=False):
        return _Attention.apply(query, key, value, to_add(seen), size), None  # type: ignore[no-untyped-call]


def attended(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor, scaling: float
) -> torch.Tensor:
    """softmax(s Q Kᵀ + M) V without gradients: (n, T, H, D) for Q (n, H, T, D), K and V (n, G, S, D), M (n, 1, T, S); all fp32."""
    if fits(query.size(2), key.size(2)):
        return _Attention.apply(query, key, value, added, scaling)  # type: ignore[no-any-return, no-untyped-call]
    output = functional.scaled_dot_product_attention(query, key, value, added, scale=scaling, enable_gqa=True)
    return output.transpose(1, 2).contiguous()


def _serves(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> bool:
    dtypes = {query.dtype, key.dtype, value.dtype}
    known = mask is None or (mask.dim() == 4 and mask.size(1) == 1 and not mask.requires_grad)
    shape = query.size(2) * key.size(2) > 0 and fits(query.size(2), key.size(2)) and key.size(-1) == value.size(-1)
    formats = len(dtypes) == 1 and dtypes <= {torch.bfloat16, torch.float32}
    return query.device.type == "cpu" and formats and shape and known


def fits(queries: int, keys: int) -> bool:
    """Whether these products are faster for rows of so many."""
    return queries * keys <= SHORT


def _seen(causal: bool, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Which keys are seen where no mask says it, (1, 1, T, S)."""
    seen = torch.ones(1, 1, query.size(2), key.size(2), dtype=torch.bool)
    return seen.tril() if causal and query.size(2) > 1 else seen


@lru_cache(maxsize=2)  # all layers get the same mask; beginnings and rests have one each
def to_add(mask: torch.Tensor) -> torch.Tensor:
    """What is added to the scores, fp32, for a mask (n or 1, 1, T, S) of booleans or of numbers to add.

    The lowest number, not −∞, where nothing may be seen: a row of padding alone has some softmax, too.
    """
    lowest = torch.finfo(torch.float32).min
    return mask.logical_not() * lowest if mask.dtype is torch.bool else mask.float().clamp(min=lowest)


class _Attention(torch.autograd.Function):
    """O = P V, P = softmax(s Q Kᵀ + M)."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """(n, T, H, D), by a caller that autocast leaves alone: it would round fp32 to bf16, and the mask to −∞."""
        output = weighted(query, key, value, added, scaling)
        ctx.save_for_backward(query, key, value, added, output)
        ctx.scaling = scaling
        return output

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, added, output = ctx.saved_tensors
        return *gradients(gradient, query, key, value, output, added, ctx.scaling), None, None


def weighted(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor, scaling: float
) -> torch.Tensor:
    """O = P V (n, T, H, D), P = softmax(s Q Kᵀ + M), for Q (n, H, T, D), K and V (n, G, S, D), M (n or 1, 1, T, S); computed in fp32."""
    n, heads, length, size = query.shape
    output = query.new_empty(n, length, heads, size)
    for rows in _portions(query, key):
        queries, keys, values = _joined(query[rows], key), _joined(key[rows], key), _joined(value[rows], key)
        states = torch.bmm(_weights(queries * scaling, keys, _of(added, rows)), values)
        output[rows] = states.view(-1, heads, length, size).transpose(1, 2)
    return output


def gradients(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    output: torch.Tensor,
    added: torch.Tensor,
    scaling: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Those of Q, K and V. For ∂L/∂O = G: ∂V = Pᵀ G, ∂S = P ∘ (G Vᵀ − Σ_d G ∘ O), ∂Q = s ∂S K, ∂K = s ∂Sᵀ Q.

    The backward pass of FlashAttention (arXiv 2205.14135, appendix B.2) without its tiles.
    """
    to_query, to_key, to_value = (torch.empty_like(each) for each in (query, key, value))
    for rows in _portions(query, key):
        queries, keys, values = _joined(query[rows], key), _joined(key[rows], key), _joined(value[rows], key)
        queries *= scaling
        of_states, states = (_joined(each[rows].transpose(1, 2), key) for each in (gradient, output))
        weights = _weights(queries, keys, _of(added, rows))
        through = torch.linalg.vecdot(of_states, states).unsqueeze(2)
        of_scores = torch.bmm(of_states, values.transpose(1, 2)).sub_(through).mul_(weights)
        to_query[rows] = torch.bmm(of_scores, keys).mul_(scaling).view(query[rows].shape)
        to_key[rows] = torch.bmm(of_scores.transpose(1, 2), queries).view(key[rows].shape)
        to_value[rows] = torch.bmm(weights.transpose(1, 2), of_states).view(value[rows].shape)
    return to_query, to_key, to_value


def _joined(states: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """A copy of states (n, H, T, D) in fp32, the heads that share keys as rows of one product: (n · G, H / G · T, D)."""
    joined = states.reshape(len(states) * key.size(1), -1, states.size(-1)).float()
    return joined.clone() if joined.data_ptr() == states.data_ptr() else joined


def _weights(queries: torch.Tensor, keys: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """P of some rows, (n · G, H / G · T, S)."""
    scores = torch.bmm(queries, keys.transpose(1, 2))
    # where one row is for all, it is for all of their heads
    scores.view(len(added), -1, *added.shape[2:]).add_(added)
    return scores.softmax(2)


def _of(added: torch.Tensor, rows: slice) -> torch.Tensor:
    return added if len(added) == 1 else added[rows]


def _portions(query: torch.Tensor, key: torch.Tensor) -> list[slice]:
    """Rows that are computed at once; none where they are empty."""
    scores = query.size(1) * query.size(2) * key.size(2)
    size = max(1, PORTION // max(1, scores))
    return [slice(at, at + size) for at in range(0, len(query), size)] if scores else []
