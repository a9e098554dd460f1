"""The importance correction: its weights against trl's and against numbers, and GRPO and PPO on what another sampler wrote."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from peft import get_peft_model

from lab.core.recipes import GrpoRecipe, ImportanceCorrection
from lab.store.run_folder import RunFolder
from lab.training.algorithms import losses
from lab.training.models.base import lora_config
from lab.training.trainers.dynamic_sampling import Sampled, with_spread
from lab.training.trainers.sampler import Completions
from lab.training.trainers.token_journal import TokenJournal
from lab.training.worker.reporter import Reporter
from tests.training.algorithms.test_grpo import SMALL
from tests.training.trainers.other_sampler import ModelSampler

ALL = SMALL | {"threshold": {"kind": "all"}, "skip_no_spread": False, "steps": 3, "learning_rate": 3e-3}
BOUNDED = [mode for mode in ImportanceCorrection if mode is not ImportanceCorrection.OFF]
METRICS = ("importance_weight", "importance_weight_min", "importance_weight_max", "sampler_gap", "sampler_gap_max")


# ---- the weights


def test_the_weights_have_the_right_numbers():
    """Two completions: one of three tokens, the second of two, whose place after the end holds rubbish."""
    old = torch.tensor([[-1.0, -2.0, -0.5], [-1.0, -3.0, -9.0]], dtype=torch.float64)
    sampler = torch.tensor([[-1.0, -3.0, -0.25], [-1.5, -5.0, -1.0]], dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    gap = losses.sampler_log_ratio(old, sampler, mask)
    assert gap.tolist() == [[0.0, 1.0, -0.25], [0.5, 2.0, 0.0]]
    e = math.e
    for mode, cap, expected in (
        ("token_truncate", 3.0, [[1, e, e**-0.25], [e**0.5, 3.0, 1]]),
        ("token_mask", 3.0, [[1, e, e**-0.25], [e**0.5, 0.0, 1]]),
        ("sequence_truncate", 3.0, [[e**0.75], [3.0]]),
        ("sequence_mask", 3.0, [[e**0.75], [0.0]]),
        ("sequence_mask", 20.0, [[e**0.75], [e**2.5]]),
    ):
        weights = losses.importance_weights(gap, mode, cap)
        assert weights.tolist() == [pytest.approx(row, rel=1e-12) for row in expected], mode
    with pytest.raises(ValueError, match="no such importance correction"):
        losses.importance_weights(gap, "off", 3.0)


@pytest.mark.parametrize("mode", BOUNDED)
def test_where_both_agree_every_weight_is_exactly_1(mode):
    logps = -torch.rand(4, 6) * 30
    mask = torch.tensor(np.arange(6) < np.array([6, 1, 3, 4])[:, None]).long()
    assert torch.equal(
        losses.importance_weights(losses.sampler_log_ratio(logps, logps.clone(), mask), mode, 3.0).unique(),
        torch.ones(1),
    )
    unknown = torch.full_like(logps, math.nan)
    assert torch.equal(
        losses.importance_weights(losses.sampler_log_ratio(logps, unknown, mask), mode, 3.0).unique(), torch.ones(1)
    )


@pytest.mark.parametrize("mode", BOUNDED)
def test_truncation_and_masking_are_of_the_whole_where_no_weight_is_above_the_cap(mode):
    """E_sampler[w] = 1: what was drawn from one distribution, weighed, is of the other."""
    policy, sampler = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.4, 0.4, 0.2]).double()
    gap = losses.sampler_log_ratio(policy.log()[:, None], sampler.log()[:, None], torch.ones(3, 1))
    weights = losses.importance_weights(gap, mode, 3.0)[:, 0]
    assert (sampler * weights).tolist() == pytest.approx(policy.tolist(), rel=1e-12)


# ---- GRPO


def copy_of(model, fresh):
    """A model with the weights that ``model`` has now, on a ``fresh`` one: trl's fused head would lead a deep copy back to the original."""
    fresh.load_state_dict(model.state_dict(), strict=False)
    return fresh


def another(model, fresh, scale=0.05):
    """A copy that has moved away from it."""
    moved = copy_of(model, fresh)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += torch.randn(parameter.shape, generator=generator).to(parameter.dtype) * scale
    return moved


def trained(group_trainer, make_model, sampler_of, **changes):
    """A finished trainer whose completions are a sampler's: ``sampler_of(model, tokens, longest)``."""
    recipe = GrpoRecipe(**ALL | changes)
    model = make_model()
    seen = []
    trainer = group_trainer(recipe, model=model, on_rollout=seen.append)
    trainer.sampler = sampler_of(model, trainer.tokens, recipe.max_completion_length)
    trainer.seen = seen
    trainer.train()
    return trainer


def logged(trainer, name):
    return [line[name] for line in trainer.state.log_history if name in line]


@pytest.mark.train
@pytest.mark.parametrize("mode", list(ImportanceCorrection))
def test_the_loss_is_trls_by_the_formula(group_trainer, make_model, mode):
    """trl's lines of its correction, written out in NumPy, on what the first step's update was given."""
    passes = []

    def keeping(trainer):
        loss = trainer._loss

        def kept(who, model, batch):
            value = loss(who, model, batch)
            if trainer.state.global_step == 0:
                passes.append(({k: v.clone() for k, v in batch.items() if isinstance(v, torch.Tensor)}, value.item()))
            return value

        trainer._loss = kept

    recipe = GrpoRecipe(**ALL, importance_correction=mode, importance_cap=1.3)
    model = make_model()
    trainer = group_trainer(recipe, model=model)
    trainer.sampler = ModelSampler(lambda _: another(model, make_model()), trainer.tokens, recipe.max_completion_length)
    keeping(trainer)
    trainer.train()
    beyond = 0
    for batch, loss in passes:
        mask = batch["completion_mask"].double().numpy()
        gap = (batch["old_per_token_logps"].double() - batch["sampler_logps"].double()).numpy() * mask
        if mode.startswith("sequence"):
            gap = gap.sum(1, keepdims=True)
        weights = np.exp(gap) if mode != "off" else np.ones((len(mask), 1))
        beyond += int((weights > 1.3).sum())
        weights = np.minimum(weights, 1.3) if mode.endswith("truncate") else np.where(weights > 1.3, 0.0, weights)
        gain = batch["advantages"].double().numpy()[:, None] * weights  # at the first update ρ is 1
        assert loss == pytest.approx(-(gain * mask).sum() / float(batch["step_tokens"]), rel=1e-4, abs=1e-6)
    assert len(passes) == 2 and (mode == "off" or beyond > 3), "nothing above the cap would prove nothing"


@pytest.mark.train
@pytest.mark.parametrize("mode", BOUNDED)
def test_what_the_policy_itself_would_state_changes_nothing(group_trainer, make_model, mode):
    """The sampler states the trainer's own numbers: weights exactly 1, and the losses of no correction to the last bit."""

    class Itself(ModelSampler):
        def complete(self, prompts, step):
            written = super().complete(prompts, step)
            return Completions(written.ids, stated_by(self.trainer, prompts, written.ids))

    def of(correction):
        recipe = GrpoRecipe(**ALL | {"micro_batch_size": 16}, importance_correction=correction)
        model = make_model()
        trainer = group_trainer(recipe, model=model)
        trainer.sampler = Itself(lambda _: model, trainer.tokens, recipe.max_completion_length)
        trainer.sampler.trainer = trainer
        trainer.train()
        return trainer

    weighed, plain = of(mode), of(ImportanceCorrection.OFF)
    for name in ("loss", "grad_norm"):
        assert logged(weighed, name) == logged(plain, name) and max(map(abs, logged(plain, name))) > 1e-3
    assert logged(weighed, "sampler_gap_max") == [0.0] * 3
    for name in METRICS[:3]:
        assert logged(weighed, name) == [1.0] * 3 and not logged(plain, name)


def stated_by(trainer, prompts, completions):
    """log π by the trainer's own pass, of the rows as its update will see them."""
    batch = {}
    for name, ids, side in (("prompt", prompts, "left"), ("completion", completions, "right")):
        batch[f"{name}_ids"], batch[f"{name}_mask"] = trainer.tokens.padded(ids, side)
    trainer.model.train()
    with torch.no_grad():
        rows = [
            trainer.log_probs({name: value[at : at + 1] for name, value in batch.items()})[0][0].tolist()
            for at in range(len(prompts))
        ]
        together = trainer.log_probs(batch)[0].tolist()
    assert np.allclose(rows, together, atol=1e-4)
    return [row[: len(ids)] for row, ids in zip(together, completions, strict=True)]


@pytest.mark.train
def test_a_sampler_in_bf16_differs_and_the_same_model_in_fp32_hardly_does(group_trainer, make_model):
    def of(dtype):
        def sampler(model, tokens, longest):
            return ModelSampler(lambda _: copy_of(model, make_model()).to(dtype), tokens, longest)

        return trained(group_trainer, make_model, sampler, importance_correction="token_truncate", epsilon_high=0.2)

    narrow, wide = of(torch.bfloat16), of(torch.float32)
    assert max(logged(wide, "sampler_gap_max")) < 1e-4
    assert all(abs(value - 1) < 1e-4 for name in METRICS[:3] for value in logged(wide, name))
    for gap in ("sampler_gap", "sampler_gap_max"):  # how much bf16 rounds is the CPU's; that it rounds is not
        assert min(logged(narrow, gap)) > 100 * max(logged(wide, gap)), gap
    assert all(
        least < 1 < most for least, most in zip(logged(narrow, METRICS[1]), logged(narrow, METRICS[2]), strict=True)
    )
    assert narrow.sampler.asked == [0, 1, 2] and narrow.sampler.closed == 1


@pytest.mark.train
def test_an_adapter_of_one_step_ago_is_told_and_corrected(group_trainer, make_model, tokenizer):
    """As an engine that missed the last sync: at step 0 it agrees, later it does not."""
    recipe = GrpoRecipe(
        **ALL | {"training": "lora", "lora_rank": 4, "iterations": 1, "steps": 4, "learning_rate": 2e-2}
    )
    torch.manual_seed(3)
    model = get_peft_model(make_model(), lora_config(recipe))
    trainer = group_trainer(recipe, model=model)
    versions = []

    def one_step_old(_step):
        versions.append(copy_of(model, get_peft_model(make_model(), lora_config(recipe))))
        return versions[max(0, len(versions) - 2)]

    trainer.sampler = ModelSampler(one_step_old, trainer.tokens, recipe.max_completion_length)
    trainer.train()
    gaps = logged(trainer, "sampler_gap_max")
    assert gaps[0] < 1e-4 and min(gaps[1:]) > 10 * max(gaps[0], 1e-5)


@pytest.mark.train
def test_nothing_is_corrected_or_told_where_the_policy_writes_itself(group_trainer):
    trainer = group_trainer(GrpoRecipe(**ALL | {"steps": 1}))
    trainer.train()
    assert not any(name in line for name in METRICS for line in trainer.state.log_history)


@pytest.mark.train
@pytest.mark.parametrize("mode", ["token_truncate", "sequence_truncate"])
def test_the_journal_keeps_each_tokens_weight(group_trainer, make_model, tmp_path, mode):
    recipe = GrpoRecipe(**ALL | {"steps": 2}, importance_correction=mode)
    model = make_model()
    trainer = group_trainer(recipe, model=model, on_rollout=lambda rollout: None)
    trainer.sampler = ModelSampler(lambda _: another(model, make_model()), trainer.tokens, recipe.max_completion_length)
    folder = RunFolder(tmp_path)
    trainer.journal = TokenJournal(Reporter(folder, 2), trainer.processing_class, 8.0, 2)
    trainer.train()
    lines = [json.loads(line) for line in (tmp_path / "tokens.jsonl").read_text().splitlines()]
    told = [completion for line in lines for completion in line["completions"]]
    assert len(told) == 32
    for completion in told:
        gap = np.array(completion["logps"]) - np.array(completion["sampler_logps"])
        expected = np.exp(gap if mode == "token_truncate" else np.full(len(gap), gap.sum())).clip(max=3.0)
        assert completion["importance_weights"] == pytest.approx(expected, rel=2e-3)


@pytest.mark.train
def test_a_rollout_in_use_is_saved_with_what_its_sampler_stated(group_trainer, make_model, tmp_path):
    recipe = GrpoRecipe(**ALL | {"iterations": 2, "steps": 4})

    def make():
        model = make_model()
        trainer = group_trainer(recipe, model=model)
        trainer.sampler = ModelSampler(
            lambda _: another(model, make_model()), trainer.tokens, recipe.max_completion_length
        )
        return trainer

    whole = make()
    whole.args.save_strategy, whole.args.save_steps = "steps", 1
    whole.train()
    resumed = make()
    resumed.train(resume_from_checkpoint=f"{whole.args.output_dir}/checkpoint-1")
    for name in ("loss", *METRICS):
        assert logged(resumed, name)[1] == logged(whole, name)[1], name


def test_a_replaced_group_takes_what_its_sampler_stated_along():
    from lab.core.rules import Reward

    def sampled(values, mark):
        rewards = [Reward(value, {}) for value in values]
        count = len(values)
        return Sampled([{}] * count, [[1]] * count, [[mark]] * count, ["x"] * count, rewards, [[float(mark)]] * count)

    first = sampled([1, 1, 0, 1], 1)
    with_spread(first, 2, 1, lambda wanted: [{}] * wanted, lambda rows: sampled([0, 1], 2))
    assert first.sampler_logps == [[2.0], [2.0], [1.0], [1.0]] and first.completion_ids == [[2], [2], [1], [1]]


def test_a_sampler_states_a_number_for_each_token():
    with pytest.raises(ValueError, match="one log-probability"):
        Completions([[1, 2]], [[-0.5]])


# ---- PPO


@pytest.mark.train
def test_ppos_policy_loss_is_weighed_and_its_critics_is_not(make_trainer_of, make_model):
    def of(correction, mark):
        trainer = make_trainer_of("ppo", steps=2, batch_size=8, importance_correction=correction, importance_cap=mark)
        torch.manual_seed(9)
        fresh = get_peft_model(make_model(), lora_config(trainer.recipe))
        trainer.sampler = ModelSampler(lambda _: another(trainer.model, fresh, 0.02), trainer.tokens, 6)
        parts = []
        loss = trainer._loss

        def kept(who, model, batch):
            value = loss(who, model, batch)
            parts.append((dict(batch), value.item()))
            return value

        trainer._loss = kept
        trainer.train()
        return trainer, parts

    plain, unweighed = of("off", 3.0)
    trainer, weighed = of("token_truncate", 1.1)
    batch, loss = weighed[0]
    mask = batch["completion_mask"].double()
    weights = (batch["old_per_token_logps"] - batch["sampler_logps"]).double().mul(mask).exp().clamp(max=1.1)
    expected = -(batch["advantages"].double() * weights * mask).sum() / float(batch["step_tokens"])
    assert loss == pytest.approx(float(expected), rel=1e-3, abs=1e-5)
    assert float((weights != 1).sum()) > 4 and loss != pytest.approx(unweighed[0][1], abs=1e-5)
    for name in ("returns", "advantages", "old_values", "sampler_logps"):
        assert torch.equal(batch[name], unweighed[0][0][name]), name
    assert logged(trainer, "value_loss")[0] == logged(plain, "value_loss")[0]
    assert all(name in line for name in METRICS for line in trainer.state.log_history if "loss" in line)
