"""What is read in losses.py is what runs: break one function, and the run's numbers change."""

from __future__ import annotations

import math

import pytest
import torch

from lab.training.algorithms import losses

USES = {
    "pretrain": ("next_token_logps", "cross_entropy"),
    "sft": ("cross_entropy",),
    "rm": ("bradley_terry",),
    "dpo": ("implicit_reward", "dpo", "bradley_terry"),
    "grpo": ("ratio", "clipped_surrogate", "kl_k3", "over_step"),
    "ppo": ("kl_k1", "token_rewards", "gae", "whiten", "ratio", "clipped_surrogate", "over_step"),
}


LEARNED_FROM = ("loss", "grad_norm", "value_loss")


@pytest.mark.parametrize("algorithm", USES)
def test_a_function_that_is_broken_changes_what_is_learned(make_trainer_of, monkeypatch, algorithm):
    """The loss or, where the loss is 0 by construction (ratio 1, whitened advantages), its gradient."""
    whole = first_line(make_trainer_of(algorithm))
    assert math.isfinite(whole["loss"]) and whole["grad_norm"] > 0
    for name in USES[algorithm]:
        right = getattr(losses, name)
        with monkeypatch.context() as patch:
            patch.setattr(losses, name, lambda *args, right=right, **more: bent(right(*args, **more)))
            broken = first_line(make_trainer_of(algorithm))
        numbers = [(whole[part], broken[part]) for part in LEARNED_FROM if part in whole]
        assert any(now != pytest.approx(then, rel=1e-3, abs=1e-5) for then, now in numbers), name
    again = first_line(make_trainer_of(algorithm))
    assert [again[part] for part in LEARNED_FROM if part in again] == [
        whole[part] for part in LEARNED_FROM if part in whole
    ]


def bent(result):
    """Every entry wrong, and each by another factor and amount."""
    crooked = torch.linspace(0.5, 2.0, result.numel()).view_as(result)
    return result * (1 + crooked) + crooked


@pytest.mark.parametrize("critic", ["own", "trunk"])
def test_the_critics_loss_is_the_one_that_is_read(make_trainer_of, monkeypatch, critic):
    whole = first_line(make_trainer_of("ppo", critic=critic))
    right = losses.clipped_value_loss
    monkeypatch.setattr(losses, "clipped_value_loss", lambda *args: 3 * right(*args))
    broken = first_line(make_trainer_of("ppo", critic=critic))
    assert broken["value_loss"] == pytest.approx(3 * whole["value_loss"]) and whole["value_loss"] > 0
    assert broken["critic_grad_norm"] == pytest.approx(3 * whole["critic_grad_norm"], rel=1e-3)
    assert broken["loss"] == pytest.approx(whole["loss"], abs=1e-6), "what is logged as loss is the policy's"


def first_line(trainer) -> dict[str, float]:
    """What the first step logs."""
    torch.manual_seed(11)  # the same completions
    trainer.train()
    return trainer.state.log_history[0]
