"""GRPO's fidelity: the loss against a float64 reference, `all` against stock trl, kept-only against masking."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.core.recipes import GrpoRecipe
from lab.core.rules import Rule
from lab.errors import RuleError
from lab.sandbox.rewards import Weighed, reward_batch
from lab.training.cpu.draw import one_number_a_row
from lab.training.trainers.group_trainer import keep_only
from tests.training.conftest import LETTERS

SMALL = {
    "group_size": 4,
    "batch_size": 16,
    "micro_batch_size": 8,
    "max_completion_length": 12,
    "steps": 10,
    "training": "full",
}


def clipped_surrogate(logps, old, ref, advantages, mask, low, high, beta):
    """The step's loss in float64, from the formula: a sum over kept tokens, divided by their number."""
    ratio = np.exp(logps - old)
    gain = np.minimum(ratio * advantages[:, None], np.clip(ratio, 1 - low, 1 + high) * advantages[:, None])
    kl = ratio * (np.exp(ref - logps) - (ref - logps) - 1)
    return -((gain - beta * kl) * mask).sum() / mask.sum()


def test_the_loss_equals_a_float64_reference(group_trainer, make_model):
    trainer = group_trainer(GrpoRecipe(**SMALL))
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation
    double = make_model().double().eval()

    @settings(max_examples=25, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        low=st.sampled_from([0.1, 0.2]),
        high=st.sampled_from([0.2, 0.4]),
        beta=st.sampled_from([0.0, 0.05]),
    )
    def on_random_groups(seed, low, high, beta):
        trainer.epsilon_low, trainer.epsilon_high, trainer.beta = low, high, beta
        batch, logps, old, ref = random_update(double, np.random.default_rng(seed))
        trainer.model.train()
        loss = trainer.compute_loss(trainer.model, batch).item()
        advantages, mask = batch["advantages"].double().numpy(), batch["completion_mask"].numpy()
        expected = clipped_surrogate(logps, old, ref, advantages, mask, low, high, beta)
        assert loss == pytest.approx(expected, rel=2e-5, abs=5e-6)

    on_random_groups()


def random_update(double, rng):
    """A batch of trl's form, and its log-probabilities under a float64 copy of the model."""
    rows, prompt, width = 6, 5, 7
    lengths = rng.integers(1, width + 1, rows)
    mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
    ids = torch.tensor(rng.integers(4, 280, (rows, prompt + width)))
    with torch.no_grad():
        attention = torch.cat([torch.ones(rows, prompt, dtype=torch.long), torch.tensor(mask)], 1)
        logits = double(input_ids=ids, attention_mask=attention).logits[:, prompt - 1 : -1]
        logps = torch.log_softmax(logits, -1).gather(-1, ids[:, prompt:, None]).squeeze(-1).numpy()
    old, ref = logps + rng.normal(0, 0.3, logps.shape), logps + rng.normal(0, 0.3, logps.shape)
    batch = {
        "prompt_ids": ids[:, :prompt],
        "prompt_mask": torch.ones(rows, prompt, dtype=torch.long),
        "completion_ids": ids[:, prompt:],
        "completion_mask": torch.tensor(mask),
        "advantages": torch.tensor(rng.normal(size=rows), dtype=torch.float32),
        "old_per_token_logps": torch.tensor(old, dtype=torch.float32),
        "ref_per_token_logps": torch.tensor(ref, dtype=torch.float32),
        "step_tokens": torch.tensor(int(mask.sum())),
        "step_rows": torch.tensor(rows),
    }
    return batch, logps, old, ref


def test_all_gives_the_losses_of_stock_trl(group_trainer, make_model, grpo_config, grpo_rows, tokenizer):
    from trl import GRPOTrainer

    recipe = GrpoRecipe(**SMALL, threshold={"kind": "all"}, skip_no_spread=False, learning_rate=3e-3, seed=7)

    def reward(prompts, completions, **_):
        return [one.value for one in reward_batch(LETTERS, [("", text[0]["content"], None) for text in completions])]

    stock = GRPOTrainer(
        model=make_model(),
        reward_funcs=[reward],
        args=grpo_config(recipe),
        train_dataset=grpo_rows,
        processing_class=tokenizer,
    )
    with one_number_a_row():  # the same completions
        stock.train()
    ours = group_trainer(recipe)
    ours.train()
    for name, tolerance in (("loss", 1e-5), ("grad_norm", 1e-4)):
        theirs = [line[name] for line in stock.state.log_history if name in line]
        assert len(theirs) == 10
        assert [line[name] for line in ours.state.log_history if name in line] == pytest.approx(theirs, abs=tolerance)
        assert max(map(abs, theirs)) > 1e-3, "zeros throughout would prove nothing"


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "bnpo", "dr_grpo"])
@pytest.mark.parametrize("iterations", [1, 2])
def test_leaving_out_gives_the_gradient_of_masking(group_trainer, loss_type, iterations):
    """Kept counts differ across the micro-batches (3, 0, 1 and 2 of 4); the masked reference walks all of them."""
    recipe = GrpoRecipe(**SMALL | {"micro_batch_size": 4}, loss_type=loss_type, iterations=iterations, epsilon_high=0.3)
    trainer = group_trainer(recipe)
    trainer.current_gradient_accumulation_steps = 4
    batch = random_batch(kept=[1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1])
    ours = gradient(trainer, [part for part in trainer._micro_batches(keep_only(dict(batch)), 4) if part is not None])
    masked = masked_gradient(trainer, batch, loss_type)
    assert set(ours) == set(masked)
    for name, value in ours.items():
        assert torch.allclose(value, masked[name], atol=1e-6, rtol=1e-4), name
    assert max(float(value.abs().max()) for value in ours.values()) > 1e-4


def random_batch(kept):
    rng = np.random.default_rng(3)
    rows, prompt, width = len(kept), 6, 9
    lengths = rng.integers(1, width + 1, rows)
    return {
        "prompt_ids": torch.tensor(rng.integers(4, 280, (rows, prompt))),
        "prompt_mask": torch.tensor((np.arange(prompt) >= rng.integers(0, 3, rows)[:, None]).astype(np.int64)),
        "completion_ids": torch.tensor(rng.integers(4, 280, (rows, width))),
        "completion_mask": torch.tensor((np.arange(width) < lengths[:, None]).astype(np.int64)),
        "advantages": torch.tensor(rng.normal(size=rows), dtype=torch.float32),
        "kept": torch.tensor(kept, dtype=torch.bool),
        "index": torch.arange(rows),
    }


def gradient(trainer, parts):
    trainer.model.train()
    trainer.model.zero_grad()
    for part in parts:
        trainer.compute_loss(trainer.model, part).backward()
    return {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


def masked_gradient(trainer, batch, loss_type):
    """Every completion goes through forward and backward; those that are dropped are multiplied by zero."""
    mask = batch["completion_mask"] * batch["kept"][:, None]
    kept = int(batch["kept"].sum())
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    trainer.model.zero_grad()
    trainer.model.train()
    logits = trainer.model(input_ids=ids, attention_mask=attention).logits
    width = mask.shape[1]
    logps = torch.log_softmax(logits[:, -width - 1 : -1], -1).gather(-1, batch["completion_ids"][..., None]).squeeze(-1)
    token_loss = -torch.exp(logps - logps.detach()) * batch["advantages"][:, None] * mask
    if loss_type in ("dapo", "bnpo"):
        loss = token_loss.sum() / mask.sum()
    elif loss_type == "grpo":
        loss = (token_loss.sum(1) / mask.sum(1).clamp(min=1)).sum() / kept
    else:
        loss = token_loss.sum() / (kept * trainer.max_completion_length)
    loss.backward()
    return {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


def test_dropped_completions_are_in_no_pass(group_trainer):
    trainer = group_trainer(GrpoRecipe(**SMALL | {"steps": 2}, threshold={"kind": "top_fraction", "fraction": 0.25}))
    rows = []
    forward = trainer.model.forward

    def counting(*args, **kwargs):
        if "labels" in kwargs:  # a training pass; generation has none
            rows.append(kwargs["input_ids"].shape[0])
        return forward(*args, **kwargs)

    trainer.model.forward = counting
    trainer.train()
    assert sum(rows) <= 2 * 4, "of 16 completions in 4 groups, the best one of each"
    assert rows


def test_nothing_kept_makes_no_optimiser_step(group_trainer):
    constant = [Weighed(Rule("constant", lambda *_: 1.0))]
    seen = []
    trainer = group_trainer(GrpoRecipe(**SMALL | {"steps": 3}), rules=constant, on_rollout=seen.append)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    assert all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())
    assert not trainer.optimizer.state, "Adam has not counted a step"
    assert [rollout.metrics()["optimizer_step"] for rollout in seen] == [0, 0, 0]
    assert [rollout.metrics()["no_spread_share"] for rollout in seen] == [1.0, 1.0, 1.0]
    lines = seen[0].lines({"kind": "above_mean", "fraction": 0.2})
    assert {c["why_dropped"] for line in lines for c in line["completions"]} == {"no_spread"}


def test_two_updates_a_rollout_reuse_it_and_clip(group_trainer):
    seen = []
    recipe = GrpoRecipe(**SMALL | {"steps": 6}, iterations=2, learning_rate=2e-2, epsilon_low=0.05, epsilon_high=0.05)
    trainer = group_trainer(recipe, on_rollout=seen.append)
    trainer.train()
    assert [rollout.step for rollout in seen] == [1, 3, 5]
    clipped = [line["clip_ratio"] for line in trainer.state.log_history if "clip_ratio" in line]
    assert clipped[0::2] == [0.0, 0.0, 0.0], "the first update of a rollout has ratio 1 exactly"
    assert max(clipped[1::2]) > 0.0


def test_a_line_of_groups_has_the_public_form(group_trainer):
    seen = []
    recipe = GrpoRecipe(**SMALL | {"steps": 1})
    trainer = group_trainer(recipe, on_rollout=seen.append)
    trainer.train()
    lines = seen[0].lines({"kind": "above_mean", "fraction": 0.2})
    assert [(line["version"], line["step"], line["group"]) for line in lines] == [
        (1, 1, 0),
        (1, 1, 1),
        (1, 1, 2),
        (1, 1, 3),
    ]
    for line in lines:
        completions = line["completions"]
        assert len(completions) == 4
        rewards = [completion["reward"] for completion in completions]
        assert line["mean"] == pytest.approx(np.mean(rewards))
        assert line["std"] == pytest.approx(np.std(rewards, ddof=1))
        for completion in completions:
            assert completion["kept"] == (completion["reward"] > line["mean"]) or line["std"] < 1e-6
            assert (completion["logp"] is not None) == completion["kept"]
            assert completion["reward"] == pytest.approx(2.0 * completion["scores"]["length"])
            assert not completion["truncated"] or completion["tokens"] == recipe.max_completion_length
    cut_off = [completion["truncated"] for line in lines for completion in line["completions"]]
    assert np.mean(cut_off) == pytest.approx(trainer.state.log_history[0]["completions/clipped_ratio"])
    assert set(cut_off) == {True, False}


def test_a_rule_that_always_fails_stops_the_run_with_its_message(group_trainer):
    def broken(*_):
        raise ValueError("no such column")

    rules = [*LETTERS, Weighed(Rule("broken", broken))]
    seen = []
    trainer = group_trainer(GrpoRecipe(**SMALL), rules=rules, on_rollout=seen.append)
    with pytest.raises(RuleError, match="rule_always_fails") as caught:
        trainer.train()
    assert caught.value.params["rule"] == "broken"
    assert "no such column" in caught.value.params["why"]
    assert len(seen) == 2, "the third batch in a row stops it"
