"""The head's log π on a CPU, against the same numbers from whole logits in float64, and against trl's function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from trl.kernels.chunked_logprob import ChunkedLogProbFunction
from trl.trainer import utils as trl_utils

from lab.store.models import SHIPPED
from lab.training.cpu import head as cpu_head
from lab.training.cpu.head import CpuHead
from lab.training.models.base import join_last_states

PLACES, STATES, WORDS = 50, 16, 300
CASES = {
    "plain": (False, 1.0, None, 1.0, False),
    "bias, temperature, scale, entropy": (True, 0.7, None, 2.0, True),
    "soft cap": (False, 1.0, 5.0, 1.0, False),
    "all of them": (True, 1.3, 5.0, 0.5, True),
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles and several pieces, the last of each smaller."""
    monkeypatch.setattr(cpu_head, "TILE", 64)
    monkeypatch.setattr(cpu_head, "GRADIENT", 3_000)


def drawn(with_bias: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    torch.manual_seed(3)
    bias = torch.randn(WORDS) if with_bias else None
    return torch.randn(PLACES, STATES), torch.randn(WORDS, STATES), bias, torch.randint(0, WORDS, (PLACES,))


def results(score: Any, inputs: Any, of_entropy: bool, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """log π, entropy, whether it is the largest, and the gradients of a weighted sum."""
    hidden, weight, bias, targets = inputs
    leaves = [each.to(dtype, copy=True).requires_grad_() for each in (hidden, weight, bias) if each is not None]
    log_probs, entropy, top = score(*leaves[:2], leaves[2] if bias is not None else None, targets)
    loss = (log_probs * torch.arange(PLACES) / 7).sum() + (0.3 * entropy.sum() if of_entropy else 0)
    loss.backward()
    return [log_probs.detach(), entropy.detach(), top, *[leaf.grad for leaf in leaves if leaf.grad is not None]]


def fused(function: Any, temperature: float, softcap: float | None, scale: float) -> Any:
    def score(hidden: Any, weight: Any, bias: Any, targets: Any) -> Any:
        outputs = ("log_probs", "entropy", "is_top1")
        found = function.apply(hidden, weight, bias, targets, temperature, 100, softcap, scale, outputs)
        return found[0], found[1], found[4]

    return score


def whole_logits(temperature: float, softcap: float | None, scale: float) -> Any:
    def score(hidden: Any, weight: Any, bias: Any, targets: Any) -> Any:
        z = (hidden @ weight.T + (0 if bias is None else bias)) * scale
        z = (softcap * torch.tanh(z / softcap) if softcap else z) / temperature
        log_p = z.log_softmax(1)
        entropy = -(log_p.exp() * log_p).sum(1)
        return log_p.gather(1, targets.unsqueeze(1)).squeeze(1), entropy, z.argmax(1) == targets

    return score


@pytest.mark.parametrize("case", CASES)
def test_it_gives_the_numbers_and_gradients_of_whole_logits(case: str) -> None:
    with_bias, temperature, softcap, scale, of_entropy = CASES[case]
    inputs, options = drawn(with_bias), (temperature, softcap, scale)
    exact = results(whole_logits(*options), inputs, of_entropy, torch.float64)
    ours = results(fused(CpuHead, *options), inputs, of_entropy)
    trl = results(fused(ChunkedLogProbFunction, *options), inputs, of_entropy)
    assert len(ours) == len(trl) == len(exact) == (6 if with_bias else 5)
    for own, theirs, right in zip(ours, trl, exact, strict=True):
        torch.testing.assert_close(own.to(right.dtype), right, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-4)


def test_the_first_of_equal_words_is_the_largest_also_across_tiles() -> None:
    hidden, weight = torch.ones(2, 4), torch.zeros(WORDS, 4)
    weight[[10, 20, 200]] = 1.0
    for target, is_first in ((10, True), (20, False), (200, False)):
        found = CpuHead.apply(hidden, weight, None, torch.full((2,), target), 1.0, 0, None, 1.0, ("is_top1",))
        assert found[4].tolist() == [is_first] * 2
        assert found[1] is None


def test_in_bf16_the_gradient_is_rounded_once_as_that_of_whole_logits_is() -> None:
    """Rounding each tile's product before the sum would bias what trains."""
    hidden, weight, _, targets = drawn(False)
    leaf = hidden.bfloat16().requires_grad_()
    CpuHead.apply(leaf, weight.bfloat16(), None, targets, 1.0, 0, None, 1.0, ())[0].sum().backward()
    exact = hidden.bfloat16().double().requires_grad_()
    whole_logits(1.0, None, 1.0)(exact, weight.bfloat16().double(), None, targets)[0].sum().backward()
    assert leaf.grad is not None and exact.grad is not None and leaf.grad.dtype is torch.bfloat16
    off = (leaf.grad.double() - exact.grad).norm() / exact.grad.norm()
    assert off < 0.01


def test_only_a_frozen_head_is_spared_its_gradient() -> None:
    hidden, weight, bias, targets = drawn(True)
    assert bias is not None
    leaf = hidden.clone().requires_grad_()
    CpuHead.apply(leaf, weight, bias, targets, 1.0, 0, None, 1.0, ())[0].sum().backward()
    assert leaf.grad is not None and weight.grad is None and bias.grad is None


def test_trl_s_models_score_only_places_that_have_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trl_utils, "_ChunkedLogProbFunction", ChunkedLogProbFunction)
    monkeypatch.setattr(trl_utils, "_use_triton", trl_utils._use_triton)
    model = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"], dtype=torch.float32)
    trl_utils.add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    ids = torch.arange(20, 32).reshape(2, 6)
    labels = ids.clone()
    labels[:, :4] = -100
    before = model(input_ids=ids, labels=labels, fused_lm_head=True)

    scored = []
    forward = CpuHead.forward

    def counted(ctx: Any, hidden: torch.Tensor, *args: Any) -> Any:
        scored.append(len(hidden))
        return forward(ctx, hidden, *args)

    monkeypatch.setattr(CpuHead, "forward", staticmethod(counted))
    cpu_head.use_on_cpu()
    after = model(input_ids=ids, labels=labels, fused_lm_head=True)
    assert scored == [4]
    torch.testing.assert_close(after.log_probs, before.log_probs)
    torch.testing.assert_close(after.entropy, before.entropy)


def test_the_head_gets_contiguous_states() -> None:
    """torch's bf16 product would copy the head's weights for each row of a view."""
    model = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"], dtype=torch.float32)
    join_last_states(model)
    given = []
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].is_contiguous()))
    logits = model(input_ids=torch.arange(20, 32).reshape(2, 6), logits_to_keep=1).logits
    assert given == [True] and logits.shape[:2] == (2, 1)
