"""Each function of losses.py against its formula, written once more in float64 NumPy."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.training.algorithms import losses

SEEDS = st.integers(0, 10_000)
ROWS, TOKENS = 5, 7


def padded(rng):
    """A mask of rows of 1 to TOKENS tokens, padded on the right."""
    return (np.arange(TOKENS) < rng.integers(1, TOKENS + 1, ROWS)[:, None]).astype(float)


def numbers(rng, scale=1.0):
    return rng.normal(0, scale, (ROWS, TOKENS))


def tensors(*arrays):
    return [torch.tensor(array) for array in arrays]


@given(SEEDS)
def test_next_tokens_are_read_one_place_before_them(seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(3, 6, 11)), rng.integers(0, 11, (3, 6))
    labels[:, :2] = losses.IGNORED
    found = losses.next_token_logps(*tensors(logits, labels)).numpy()
    logps = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for row in range(3):
        expected = [0.0, *[logps[row, t - 1, labels[row, t]] for t in range(2, 6)], 0.0]
        assert found[row] == pytest.approx(expected, abs=1e-6)


def test_cross_entropy_is_divided_by_the_steps_tokens_and_not_by_its_own():
    logps, mask = torch.tensor([[-1.0, -2.0, -4.0]]), torch.tensor([[1, 1, 0]])
    assert losses.cross_entropy(logps, mask, tokens=2) == 1.5
    assert losses.cross_entropy(logps, mask, tokens=6) == 0.5


@given(SEEDS, st.floats(0.01, 2))
def test_preferences(seed, beta):
    rng = np.random.default_rng(seed)
    policy, reference = rng.normal(0, 3, 8), rng.normal(0, 3, 8)
    rewards = losses.implicit_reward(*tensors(policy, reference), beta)
    assert rewards.numpy() == pytest.approx(beta * (policy - reference))
    chosen, rejected = rewards.chunk(2)
    margins = (chosen - rejected).numpy()
    for function in (losses.dpo, losses.bradley_terry):
        assert function(chosen, rejected).numpy() == pytest.approx(np.log1p(np.exp(-margins)))
    assert float(losses.bradley_terry(torch.tensor(0.0), torch.tensor(0.0))) == pytest.approx(math.log(2))


@given(SEEDS)
def test_ratios_of_tokens_and_of_sequences(seed):
    rng = np.random.default_rng(seed)
    logps, old, mask = numbers(rng, 0.3), numbers(rng, 0.3), padded(rng)
    assert losses.ratio(*tensors(logps, old, mask)).numpy() == pytest.approx(np.exp(logps - old))
    whole = losses.ratio(*tensors(logps, old, mask), level="sequence").numpy()
    expected = [np.exp(((a - b) * m).sum() / m.sum()) for a, b, m in zip(logps, old, mask, strict=True)]
    assert whole[:, 0] == pytest.approx(np.array(expected))
    with pytest.raises(ValueError, match="word"):
        losses.ratio(*tensors(logps, old, mask), level="word")


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "clipped"),
    [
        (1.0, 2.0, 2.0, False),
        (1.5, 2.0, 2.6, True),  # likelier and good: no more than 1 + ε_high
        (1.5, -2.0, -3.0, False),  # likelier and bad: all of it counts
        (0.5, 2.0, 1.0, False),  # rarer and good: all of it counts
        (0.5, -2.0, -1.6, True),  # rarer and bad: no more than 1 − ε_low
        (1.25, 2.0, 2.5, False),  # the bounds differ: 0.2 below, 0.3 above
        (0.75, -2.0, -1.6, True),
        (1.5, 0.0, 0.0, False),
    ],
)
def test_the_clip_acts_on_one_side_of_each_sign(ratio, advantage, gain, clipped):
    ratio, advantage = torch.tensor([[ratio]], dtype=torch.float64, requires_grad=True), torch.tensor([[advantage]])
    found = losses.clipped_surrogate(ratio, advantage, 0.2, 0.3)
    found.sum().backward()
    assert found.item() == pytest.approx(gain)
    assert losses.is_clipped(ratio, advantage, 0.2, 0.3).item() is clipped
    assert (ratio.grad.item() == 0) == (clipped or advantage.item() == 0), "where the clip acts there is no gradient"


@given(SEEDS)
def test_kl_estimators(seed):
    rng = np.random.default_rng(seed)
    policy, reference = tensors(numbers(rng), numbers(rng))
    r = np.exp((reference - policy).numpy())
    assert losses.kl_k1(policy, reference).numpy() == pytest.approx(-np.log(r))
    assert losses.kl_k2(policy, reference).numpy() == pytest.approx(0.5 * np.log(r) ** 2)
    assert losses.kl_k3(policy, reference).numpy() == pytest.approx(r - np.log(r) - 1)
    assert (losses.kl_k3(policy, reference) >= 0).all()


def test_k1_and_k3_are_unbiased():
    """Over all tokens, weighted by π, both are KL(π‖π_ref) itself."""
    policy, reference = (torch.randn(9, generator=torch.Generator().manual_seed(seed)).double() for seed in (1, 2))
    policy, reference = torch.log_softmax(policy, 0), torch.log_softmax(reference, 0)
    exact = (policy.exp() * (policy - reference)).sum().item()
    for estimator in (losses.kl_k1, losses.kl_k3):
        assert (policy.exp() * estimator(policy, reference)).sum().item() == pytest.approx(exact)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["dapo", "bnpo", "grpo", "dr_grpo"]), st.lists(st.integers(1, ROWS - 1), max_size=2))
def test_the_parts_of_micro_batches_add_up_to_the_step(seed, loss_type, cuts):
    rng = np.random.default_rng(seed)
    values, mask = numbers(rng), padded(rng)
    whole = {
        "dapo": (values * mask).sum() / mask.sum(),
        "bnpo": (values * mask).sum() / mask.sum(),
        "grpo": np.mean([(v * m).sum() / m.sum() for v, m in zip(values, mask, strict=True)]),
        "dr_grpo": (values * mask).sum() / (ROWS * 12),
    }
    counts = {"tokens": torch.tensor(mask.sum()), "rows": ROWS, "longest": 12}
    edges = [0, *sorted(set(cuts)), ROWS]
    parts = [losses.over_step(*tensors(values[a:b], mask[a:b]), loss_type, **counts) for a, b in pairwise(edges)]
    assert float(sum(parts)) == pytest.approx(whole[loss_type])


def test_an_unknown_loss_type_is_refused():
    with pytest.raises(ValueError, match="sum"):
        losses.over_step(torch.ones(1, 1), torch.ones(1, 1), "sum", tokens=1, rows=1, longest=1)


@given(SEEDS, st.floats(0, 1))
def test_the_reward_stands_on_the_last_token_and_the_kl_on_all(seed, coefficient):
    rng = np.random.default_rng(seed)
    kl, mask, rewards = numbers(rng), padded(rng), rng.normal(size=ROWS)
    found = losses.token_rewards(*tensors(kl, rewards, mask), coefficient).numpy()
    expected = -coefficient * kl * mask
    for row, length in enumerate(mask.sum(1).astype(int)):
        expected[row, length - 1] += rewards[row]
    assert found == pytest.approx(expected)


def test_no_value_stands_after_the_last_token_though_padding_has_one():
    rewards, values = torch.tensor([[0.0, 1.0, 9.0]]), torch.tensor([[0.5, 0.25, 7.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0]])
    assert losses.gae(rewards, values, mask, 1.0, 0.0).tolist() == [[-0.25, 0.75, 0.0]]
    assert losses.gae(rewards, values, mask, 1.0, 1.0).tolist() == [[0.5, 0.75, 0.0]]
    assert losses.gae(rewards, values, mask, 0.5, 0.5)[0, 0].item() == pytest.approx(0.125 - 0.5 + 0.25 * 0.75)


def test_whitening_divides_by_n_and_leaves_padding_out():
    white = losses.whiten(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
    assert white.tolist() == [[pytest.approx(-1.0, abs=1e-6), pytest.approx(1.0, abs=1e-6), 0.0]], (
        "n − 1 would give ±0.71"
    )


@pytest.mark.parametrize(
    ("value", "old", "returned", "loss"),
    [
        (1.0, 1.0, 3.0, 2.0),
        (2.0, 1.0, 3.0, 0.5 * 1.8**2),  # moved further than 0.2 towards the return: the clipped value's error
        (0.0, 1.0, 3.0, 4.5),  # moved away from it: its own
        (1.1, 1.0, 3.0, 0.5 * 1.9**2),
    ],
)
def test_the_value_loss_takes_the_worse(value, old, returned, loss):
    found = losses.clipped_value_loss(*(torch.tensor([[number]]) for number in (value, old, returned)), 0.2)
    assert found.item() == pytest.approx(loss)


def test_explained_variance():
    returns = torch.tensor([1.0, 2.0, 3.0])
    assert losses.explained_variance(returns, returns) == 1.0
    assert losses.explained_variance(returns, torch.full((3,), 5.0)) == pytest.approx(0.0)
    assert losses.explained_variance(torch.ones(3), returns) == 0.0
