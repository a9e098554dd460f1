"""A step is a step: the gradient of all its rows however they are cut, rows tokenised as they are needed, few rows made enough."""

from __future__ import annotations

import pytest
import torch
from transformers import TrainerCallback

from lab.training.models.tokens import Tokens
from lab.training.trainers.step_trainer import StepMetrics
from tests.training.algorithms.conftest import rows_of


class Gradients(TrainerCallback):
    """Every step's gradients, before they are clipped."""

    def __init__(self, trainer):
        self.trainer, self.steps = trainer, []

    def on_pre_optimizer_step(self, *_, **__):
        named = self.trainer.model.named_parameters()
        self.steps.append({name: p.grad.clone() for name, p in named if p.grad is not None})


def trained(trainer):
    """The gradients and the metrics of each step."""
    gradients = Gradients(trainer)
    trainer.args.max_grad_norm = 1e9
    trainer.add_callback(gradients)
    torch.manual_seed(11)
    trainer.train()
    return gradients.steps, [line for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize("algorithm", ["sft", "rm", "dpo"])
def test_a_ragged_last_batch_gives_the_gradient_of_its_rows(make_trainer_of, algorithm):
    """11 rows, batches of 8: the second step has 3, in micro-batches of 2 and 1, or in one."""
    rows, few = rows_of(algorithm, 11), {"steps": 3, "batch_size": 8, "learning_rate": 1e-7}
    cut, cut_lines = trained(make_trainer_of(algorithm, rows, micro_batch_size=2, **few))
    whole, whole_lines = trained(make_trainer_of(algorithm, rows, micro_batch_size=8, **few))
    assert len(cut) == len(whole) == 3
    for step, (ours, theirs) in enumerate(zip(cut, whole, strict=True), start=1):
        scale = max(float(gradient.abs().max()) for gradient in theirs.values())
        assert scale > 1e-4
        for name, gradient in theirs.items():
            assert torch.allclose(ours[name], gradient, atol=1e-4 * scale, rtol=1e-3), (step, name)
    named = {"sft": ("token_accuracy", "entropy"), "rm": ("accuracy", "margin"), "dpo": ("margin", "chosen_tokens")}
    for name in ("loss", "grad_norm", *named[algorithm]):
        expected = [line[name] for line in whole_lines]
        assert [line[name] for line in cut_lines] == pytest.approx(expected, rel=1e-3, abs=1e-4), name


@pytest.mark.parametrize("algorithm", ["sft", "rm", "dpo"])
def test_one_step_tokenises_a_steps_rows(make_trainer_of, monkeypatch, algorithm):
    seen = []
    encode = Tokens.encode
    monkeypatch.setattr(Tokens, "encode", lambda self, *args, **more: seen.append(args) or encode(self, *args, **more))
    make_trainer_of(algorithm, rows_of(algorithm, 200), batch_size=4).train()
    sides = 1 if algorithm == "sft" else 2
    prefetched = 2 * 4  # accelerate's loader looks a batch ahead; trl looks at one row before
    assert sides * 4 <= len(seen) <= sides * (prefetched + 1)


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_few_prompts_are_repeated_to_fill_a_step_and_said(make_trainer_of, algorithm, capsys):
    rows = rows_of(algorithm, 5)
    trainer = make_trainer_of(algorithm, rows, steps=3, batch_size=16, group_size=2)
    assert "a step asks 8 prompts and there are 5" in capsys.readouterr().out
    asked = []
    trainer.on_rollout = lambda rollout: asked.append([turns[-1]["content"] for turns in rollout.conversations[::2]])
    trainer.train()
    assert trainer.state.global_step == 3 and [len(prompts) for prompts in asked] == [8, 8, 8]
    for prompts in asked:
        assert set(prompts) <= {row["prompt"] for row in rows}
        assert max(prompts.count(prompt) for prompt in prompts) <= 2


def test_enough_prompts_are_asked_as_they_are(make_trainer_of, capsys):
    trainer = make_trainer_of("grpo", rows_of("grpo", 8), batch_size=16, group_size=2)
    assert len(trainer.train_dataset) == 8 and "a step asks" not in capsys.readouterr().out


@pytest.mark.parametrize("algorithm", ["sft", "rm", "dpo"])
def test_fewer_rows_than_a_batch_are_all_of_each_step(make_trainer_of, algorithm, capsys):
    rows = rows_of(algorithm, 5)
    _, lines = trained(make_trainer_of(algorithm, rows, steps=3, batch_size=8, micro_batch_size=2))
    assert len(lines) == 3
    assert "a step takes 8 rows and there are 5: each step trains on all of them" in capsys.readouterr().out


def test_a_steps_metrics_are_its_own():
    metrics = StepMetrics()
    metrics.lasting = {"kl": 0.5}
    metrics.mean("accuracy", torch.tensor([True, False, True]))
    metrics.mean("accuracy", torch.tensor([[1.0, 9.0]]), torch.tensor([[1, 0]]))
    metrics.total("value_loss", torch.tensor(0.25))
    metrics.total("value_loss", torch.tensor(0.5))
    metrics.note({"reward": 2.0})
    assert metrics.take() == {"kl": 0.5, "accuracy": 0.75, "value_loss": 0.75, "reward": 2.0}
    metrics.mean("accuracy", torch.tensor([False]))
    assert metrics.take() == {"kl": 0.5, "accuracy": 0.0}, "nothing of the step before"


def test_dpos_mean_length_is_of_the_step_alone(make_trainer_of):
    short = {"prompt": "1 + 1 = ?", "chosen": "2", "rejected": "3"}
    long = {"prompt": "1 + 1 = ?", "chosen": "2, which is one and one", "rejected": "3"}
    trainer = make_trainer_of("dpo", [short] * 4 + [long] * 4, steps=2, batch_size=4)
    trainer._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(trainer.train_dataset)
    _, (first, second) = trained(trainer)
    lengths = [len(trainer.train_dataset[at]["chosen_ids"]) for at in (0, 4)]
    assert [first["chosen_tokens"], second["chosen_tokens"]] == lengths and lengths[0] < lengths[1]
