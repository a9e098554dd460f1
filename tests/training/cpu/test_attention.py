"""Attention of short rows on a CPU: its output and gradients against fp64 and torch's, every kind of mask, and what stays torch's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from lab.training.cpu import attention as cpu_attention
from lab.training.cpu.attention import attention

MODULE = SimpleNamespace(is_causal=True, num_key_value_groups=2)


def tensors(dtype: torch.dtype, *, queries: int = 7, keys: int = 7) -> list[torch.Tensor]:
    """Q of four heads, K and V of two; laid out as models hand them on."""
    torch.manual_seed(4)
    shapes = ((3, queries, 4, 8), (3, keys, 2, 8), (3, keys, 2, 8))
    return [(2 * torch.randn(shape)).to(dtype).transpose(1, 2) for shape in shapes]


def mask_of(kind: str, *, queries: int = 7, keys: int = 7) -> torch.Tensor | None:
    if kind == "none":
        return None
    seen = torch.ones(3, 1, queries, keys, dtype=torch.bool).tril(keys - queries)
    seen[1, :, :, :3] = False  # padding on the left; its first places see nothing at all
    return seen if kind == "booleans" else torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)


def outcome(function: Any, given: list[torch.Tensor], mask: torch.Tensor | None, **more: Any) -> list[torch.Tensor]:
    """The output and the three gradients, where a row sees anything."""
    leaves = [each.detach().clone().requires_grad_() for each in given]
    if mask is not None and mask.dtype is not torch.bool:
        mask = mask.to(given[0].dtype)
    output, weights = function(MODULE, *leaves, mask, **more)
    assert weights is None
    real = torch.ones(output.shape[:2], dtype=torch.bool)
    if mask is not None:
        real[1, : max(0, 3 - (mask.size(3) - mask.size(2)))] = False
    torch.manual_seed(5)
    (output * torch.randn(output.shape, dtype=torch.float64).to(output.dtype) * real[:, :, None, None]).sum().backward()
    return [output.detach()[real], *(leaf.grad for leaf in leaves if leaf.grad is not None)]


@pytest.mark.parametrize("portion", [1, 1 << 18], ids=["row by row", "at once"])
@pytest.mark.parametrize("kind", ["none", "booleans", "numbers"])
@pytest.mark.parametrize("queries", [7, 3, 1], ids="queries {}".format)
def test_output_and_gradients_are_torch_s(
    kind: str, queries: int, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "none" and queries == 3:
        pytest.skip("transformers always gives a mask where several tokens follow a cache")
    monkeypatch.setattr(cpu_attention, "PORTION", portion)
    given, mask = tensors(torch.float32, queries=queries), mask_of(kind, queries=queries)
    expected = outcome(sdpa_attention_forward, [each.double() for each in given], mask)
    for one, other in zip(outcome(attention, given, mask), expected, strict=True):
        torch.testing.assert_close(one.double(), other, atol=1e-5, rtol=1e-4)


def test_in_bf16_it_is_as_exact_as_torch_s() -> None:
    given, mask = tensors(torch.bfloat16, queries=40, keys=40), mask_of("booleans", queries=40, keys=40)
    exact = outcome(sdpa_attention_forward, [each.double() for each in given], mask)
    stock, ours = outcome(sdpa_attention_forward, given, mask), outcome(attention, given, mask)
    for one, other, right in zip(ours, stock, exact, strict=True):
        assert one.dtype is torch.bfloat16
        assert (one - right).norm() <= 1.05 * (other - right).norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_does_not_round_it(dtype: torch.dtype) -> None:
    given, mask = tensors(dtype), mask_of("booleans")
    expected = outcome(attention, given, mask)

    def under_autocast(*args: Any, **named: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return attention(*args, **named)

    assert all(
        torch.equal(one, other) for one, other in zip(outcome(under_autocast, given, mask), expected, strict=True)
    )
    whole, _ = under_autocast(MODULE, *given, mask)
    assert bool(whole.isfinite().all())  # rows that see nothing, too


def test_the_scaling_of_a_model_is_taken() -> None:
    given = tensors(torch.float32)
    expected = outcome(sdpa_attention_forward, given, mask_of("booleans"), scaling=0.7)
    for one, other in zip(outcome(attention, given, mask_of("booleans"), scaling=0.7), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("why", ["long", "dropout", "fp64", "a mask of each head", "other width of values", "meta"])
def test_what_does_not_fit_is_left_to_transformers(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []

    def stock(*args: Any, **named: Any) -> Any:
        called.append(True)
        return sdpa_attention_forward(*args, **named)

    monkeypatch.setattr(cpu_attention, "sdpa_attention_forward", stock)
    given, mask = tensors(torch.float64 if why == "fp64" else torch.float32), mask_of("booleans")
    if why == "long":
        monkeypatch.setattr(cpu_attention, "SHORT", 48)
    if why == "a mask of each head":
        mask = torch.ones(3, 4, 7, 7, dtype=torch.bool)
    if why == "other width of values":
        given[2] = torch.randn(3, 2, 7, 6)
    if why == "meta":  # an estimate is the same, whatever this process has loaded before
        given, mask = [each.to("meta") for each in given], mask_of("booleans").to("meta")  # type: ignore[union-attr]
    output, _ = attention(MODULE, *given, mask, dropout=0.5 if why == "dropout" else 0.0)
    assert called and output.shape[:2] == (3, 7)
