"""PPO's fidelity: GAE, whitening and losses against float64 references; roles on one base against separate models."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from transformers import TrainerCallback

from lab.core.recipes import PpoRecipe
from lab.core.rules import Reward
from lab.core.token_credit import token_credits
from lab.data.datasets import Dataset
from lab.store.run_folder import RunFolder
from lab.tasks.equations import Split, prompts
from lab.training.models.base import Loaded, lora_config
from lab.training.models.roles import POLICY, VALUE
from lab.training.ppo import build_trainer, gae, value_loss, whiten
from lab.training.ppo_tokens import joined
from lab.training.rollout import Rollout
from lab.training.task import Task, rule_set
from lab.training.worker.reporter import Reporter
from tests.training.conftest import LETTERS
from tests.training.models.test_roles import randomise

RECIPE = PpoRecipe(lora_rank=4, lora_alpha=8)


def reference_gae(rewards, values, length, discount, lam):
    """A_t = Σ_l (γλ)^l δ_{t+l}, written as the double sum."""
    values = [*values[:length], 0.0]
    deltas = [rewards[t] + discount * values[t + 1] - values[t] for t in range(length)]
    return [sum((discount * lam) ** (u - t) * deltas[u] for u in range(t, length)) for t in range(length)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), discount=st.sampled_from([1.0, 0.9]), lam=st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_gae_is_the_sum_of_discounted_errors(seed, discount, lam):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, 5)
    rewards, values = rng.normal(size=(5, 8)), rng.normal(size=(5, 8))
    mask = torch.tensor(np.arange(8) < lengths[:, None]).double()
    found = gae(torch.tensor(rewards), torch.tensor(values), mask, discount, lam).numpy()
    for row, length in enumerate(lengths):
        assert found[row, :length] == pytest.approx(reference_gae(rewards[row], values[row], length, discount, lam))
        assert not found[row, length:].any()


@given(st.integers(0, 1000))
def test_whitening_gives_mean_0_and_deviation_1_over_real_tokens(seed):
    rng = np.random.default_rng(seed)
    mask = torch.tensor((np.arange(7) < rng.integers(2, 8, 6)[:, None]).astype(float))
    white = whiten(torch.tensor(rng.normal(3, 5, (6, 7))), mask)
    real = white[mask.bool()].numpy()
    assert real.mean() == pytest.approx(0, abs=1e-9)
    assert real.std() == pytest.approx(1, abs=1e-6)
    assert not white[~mask.bool()].any()


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=1, max_size=20), st.floats(0.05, 1))
def test_the_value_loss_takes_the_worse_of_clipped_and_unclipped(triples, clip):
    values, old, returns = (np.array(column) for column in zip(*triples, strict=True))
    clipped = old + np.clip(values - old, -clip, clip)
    expected = np.maximum((values - returns) ** 2, (clipped - returns) ** 2)
    found = value_loss(torch.tensor(values), torch.tensor(old), torch.tensor(returns), clip)
    assert found.numpy() == pytest.approx(expected)


@pytest.fixture
def make_trainer(tmp_path, make_model, tokenizer):
    """The lab's trainer on an untrained model, with the task that it is for."""

    def make(**changes):
        recipe = PpoRecipe(
            **{"lora_rank": 4, "lora_alpha": 8, "steps": 2, "batch_size": 8, "max_completion_length": 8} | changes,
            device="cpu",
        )
        folder = RunFolder(tmp_path)
        data = Dataset(prompts(Split.TRAIN, 1, 32), [], "")
        task = Task(recipe, folder, Reporter(folder, recipe.steps), data, rule_set(recipe), home=tmp_path)
        model = get_peft_model(make_model(), lora_config(recipe))
        task.loaded = Loaded(model, tokenizer, torch.device("cpu"), fresh_adapter=True)
        return build_trainer(task)

    return make


@pytest.fixture
def ppo_trainer(make_trainer):
    return make_trainer()


def random_rollout(double, rng):
    """A batch as trl's rollout leaves it, with the adapter's and the base's log-probabilities under a float64 copy."""
    rows, prompt, width = 6, 5, 7
    mask = (np.arange(width) < rng.integers(1, width + 1, rows)[:, None]).astype(np.int64)
    ids = torch.tensor(rng.integers(4, 280, (rows, prompt + width)))
    attention = torch.cat([torch.ones(rows, prompt, dtype=torch.long), torch.tensor(mask)], 1)

    def logps():
        logits = double(input_ids=ids, attention_mask=attention).logits[:, prompt - 1 : -1]
        return torch.log_softmax(logits, -1).gather(-1, ids[:, prompt:, None]).squeeze(-1).numpy()

    with torch.no_grad():
        policy = logps()
        with double.disable_adapter():
            reference = logps()
    batch = {
        "prompt_ids": ids[:, :prompt],
        "prompt_mask": torch.ones(rows, prompt, dtype=torch.long),
        "completion_ids": ids[:, prompt:],
        "completion_mask": torch.tensor(mask),
        "index": torch.arange(rows),
        "num_items_in_batch": torch.tensor(int(mask.sum())),
        "share": 1.0,
    }
    return batch, mask.astype(float), policy, reference


def values_in_double(double, batch, head):
    """V(s_t) of the states before each completion token, in float64: the critic is new, so it reads the base's."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    with torch.no_grad(), double.disable_adapter():
        states = double.get_base_model().model(input_ids=ids, attention_mask=attention).last_hidden_state
    return (states[:, batch["prompt_ids"].size(1) - 1 : -1] @ head.double().T).squeeze(-1).numpy()


@pytest.fixture
def double(ppo_trainer, make_model):
    """The trainer's policy, randomised, as a float64 model of its own; the trainer's value head is random too."""
    randomise(ppo_trainer.model, POLICY, 1)
    torch.manual_seed(2)
    torch.nn.init.normal_(ppo_trainer.model.value_head.weight, std=0.3)
    ppo_trainer.current_gradient_accumulation_steps = ppo_trainer.args.steps_per_generation
    ppo_trainer.model.train()
    alone = get_peft_model(make_model(), lora_config(ppo_trainer.recipe))
    randomise(alone, POLICY, 1)
    return alone.double().eval()


@pytest.mark.parametrize("seed", range(8))
def test_policy_and_critic_losses_equal_a_float64_reference_token_by_token(ppo_trainer, double, seed):
    rng = np.random.default_rng(seed)
    batch, mask, policy, _ = random_rollout(double, rng)
    old = policy + rng.normal(0, 0.3, policy.shape)
    advantages, returns = rng.normal(size=policy.shape), rng.normal(size=policy.shape)
    values = values_in_double(double, batch, ppo_trainer.model.value_head.weight.detach())
    old_values = values + rng.normal(0, 0.4, values.shape)
    batch |= {
        name: torch.tensor(value, dtype=torch.float32)
        for name, value in (
            ("old_per_token_logps", old), ("advantages", advantages), ("returns", returns), ("old_values", old_values),
        )
    }  # fmt: skip
    ratio, recipe = np.exp(policy - old), ppo_trainer.recipe
    clipped = np.clip(ratio, 1 - recipe.epsilon_low, 1 + recipe.epsilon_high)
    expected = -(np.minimum(ratio * advantages, clipped * advantages) * mask).sum() / mask.sum()
    loss = ppo_trainer._compute_loss(ppo_trainer.model, batch).item()
    assert loss == pytest.approx(expected, rel=2e-5, abs=5e-6)

    near = old_values + np.clip(values - old_values, -recipe.value_clip, recipe.value_clip)
    worse = np.maximum((values - returns) ** 2, (near - returns) ** 2)
    expected = 0.5 * (worse * mask).sum() / mask.sum()
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    found = ppo_trainer._critic_loss(ppo_trainer.roles.values(ids, attention, mask.shape[1]), batch).item()
    assert found == pytest.approx(recipe.value_coefficient * expected, rel=2e-5, abs=5e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_rollout_is_scored_as_the_formulas_say(ppo_trainer, double, seed):
    """Token rewards, values, GAE, whitening and returns of a random rollout, from the formulas in float64."""
    rng = np.random.default_rng(seed)
    batch, mask, policy, reference = random_rollout(double, rng)
    rewards = rng.normal(size=len(mask))
    ppo_trainer._rewards = [Reward(value, {}) for value in rewards]
    texts = [""] * len(mask)
    ppo_trainer.rollout = Rollout(
        [{"prompt": [{"content": ""}]}] * len(mask), texts, [0] * len(mask), ppo_trainer._rewards
    )
    scored = ppo_trainer._score_rollout(batch)

    recipe = ppo_trainer.recipe
    values = values_in_double(double, batch, ppo_trainer.model.value_head.weight.detach())
    given = -recipe.kl_coefficient * (policy - reference) * mask
    lengths = mask.sum(1).astype(int)
    given[np.arange(len(mask)), lengths - 1] += recipe.rules_weight * rewards
    estimates = np.zeros_like(given)
    for row, length in enumerate(lengths):
        estimates[row, :length] = reference_gae(given[row], values[row], length, recipe.discount, recipe.gae_lambda)
    real = estimates[mask.astype(bool)]
    white = (estimates - real.mean()) / (real.std() + 1e-8) * mask
    assert (scored["ref_per_token_logps"].numpy() * mask) == pytest.approx(reference * mask, abs=2e-5)
    assert scored["advantages"].numpy() == pytest.approx(white, abs=2e-4)
    assert scored["returns"].numpy() == pytest.approx((estimates + values) * mask, abs=2e-4)
    assert scored["old_values"].numpy() == pytest.approx(values * mask, abs=2e-5)
    assert (scored["old_per_token_logps"].numpy() * mask) == pytest.approx(policy * mask, abs=2e-5)
    assert bool(scored["kept"].all()), "PPO drops nobody"


class FirstGradients(TrainerCallback):
    """What the first update's gradients are, before they are clipped."""

    def __init__(self, trainer):
        self.trainer, self.found = trainer, {}

    def on_pre_optimizer_step(self, *_, **__):
        named = self.trainer.model.named_parameters()
        self.found = self.found or {name: p.grad.clone() for name, p in named if p.grad is not None}


def first_gradients(trainer):
    trainer.args.max_grad_norm, trainer.rules = 1e9, LETTERS
    gradients = FirstGradients(trainer)
    trainer.add_callback(gradients)
    torch.manual_seed(11)  # the same completions, however many adapters were drawn before
    trainer.train()
    return gradients.found


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_head_on_the_policy_learns_as_a_critic_of_its_own_does_where_both_see_the_same(make_trainer, checkpointing):
    """New adapters are 0, so both read the base's states: the head's gradient is the same, summed over two micro-batches."""
    changes = {"micro_batch_size": 4, "iterations": 1, "steps": 1, "gradient_checkpointing": checkpointing}
    own, trunk = (make_trainer(critic=critic, **changes) for critic in ("own", "trunk"))
    ours, theirs = first_gradients(own), first_gradients(trunk)
    assert ours["value_head.weight"].any()
    assert torch.allclose(ours["value_head.weight"], theirs["value_head.weight"], rtol=1e-4, atol=1e-7)
    assert not any(f".{VALUE}." in name for name in theirs), "no second adapter"
    # The head begins at 0: no error of the critic reaches the states yet, so the policy's gradient is the same too.
    for name in (name for name in theirs if f".{POLICY}." in name):
        assert torch.allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-7), name
    losses = [trainer.state.log_history[0]["loss"] for trainer in (own, trunk)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6), "what is logged is the policy's loss"
    assert own.value_metrics["value_loss"] == pytest.approx(trunk.value_metrics["value_loss"], rel=1e-5)


def test_a_head_on_the_policy_teaches_the_policys_states(make_trainer):
    """∂(L_π + c_V L_V): with a head that is not 0 the policy's gradient holds the critic's errors, weighted."""

    def gradients(weight):
        trainer = make_trainer(critic="trunk", iterations=1, steps=1, value_coefficient=weight)
        torch.manual_seed(5)
        torch.nn.init.normal_(trainer.model.value_head.weight)
        randomise(trainer.model, POLICY, 3)  # a new adapter's first matrix has no gradient
        return first_gradients(trainer)

    once, twice, thrice = (gradients(weight) for weight in (0.5, 1.0, 1.5))
    moved = 0.0
    for name in (name for name in once if f".{POLICY}." in name):
        step = twice[name] - once[name]
        assert torch.allclose(thrice[name] - twice[name], step, rtol=1e-2, atol=1e-5), name
        moved = max(moved, float(step.abs().max()))
    assert moved > 1e-4


def norm_of(parameters):
    return float(torch.stack([p.grad.norm() for p in parameters]).norm())


def test_each_trained_role_is_clipped_by_its_own_norm(ppo_trainer):
    roles = ppo_trainer.roles
    policy, critic = roles.policy_parameters(), roles.critic_parameters()
    assert policy and len(critic) == len(policy) + 1, "the same adapter, and the head"
    assert {id(p) for p in [*policy, *critic]} == {id(p) for p in roles.model.parameters() if p.requires_grad}
    for parameters, size in ((policy, 1e-3), (critic, 50.0)):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, size)
    before = {"policy": norm_of(policy), "critic": norm_of(critic)}
    assert before["policy"] < ppo_trainer.args.max_grad_norm < before["critic"]
    logged = ppo_trainer._clip_grad_norm(ppo_trainer.model)
    assert norm_of(policy) == pytest.approx(before["policy"]), "a loud critic leaves the policy alone"
    assert norm_of(critic) == pytest.approx(ppo_trainer.args.max_grad_norm, rel=1e-4)
    assert float(logged) == pytest.approx(before["policy"])
    assert ppo_trainer.value_metrics["critic_grad_norm"] == pytest.approx(before["critic"])


def test_both_norms_are_logged(ppo_trainer):
    ppo_trainer.train()
    norms = [line["grad_norm"] for line in ppo_trainer.state.log_history if "grad_norm" in line]
    assert len(norms) == 2 and all(norm > 0 for norm in norms)
    assert ppo_trainer.value_metrics["critic_grad_norm"] > 0


def test_a_line_holds_each_token_and_what_its_advantage_was_made_of(ppo_trainer):
    """Texts join to the completion; rewards worked back from the line sum to −β (log π − log π_ref) + R (γ = 1)."""
    recipe = ppo_trainer.recipe
    lines = []
    ppo_trainer.on_rollout = lambda rollout: lines.extend(rollout.lines({"kind": "all", "fraction": 1.0}))
    ppo_trainer.train()
    completions = [(line["whitening"], completion) for line in lines for completion in line["completions"]]
    assert len(completions) == recipe.batch_size, "one rollout, of two iterations"
    assert any(len(completion["token_texts"]) > 1 for _, completion in completions)
    for whitening, completion in completions:
        credits = token_credits(completion, whitening, recipe.discount, recipe.gae_lambda)
        assert len(credits) == len(completion["token_texts"]) == completion["tokens"]
        assert joined(completion["token_texts"]) == completion["text"]
        kl = completion["logp"] - completion["ref_logp"]
        given = completion["reward"] - recipe.kl_coefficient * kl
        assert sum(credit.reward for credit in credits) == pytest.approx(given, abs=1e-3 * len(credits))
        last = credits[-1]
        assert last.estimate == pytest.approx(last.reward - last.value, abs=1e-3), "nothing comes after the last token"
    assert {completion["reward"] for _, completion in completions} != {0.0}
