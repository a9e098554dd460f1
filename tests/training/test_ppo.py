"""PPO's fidelity: GAE, whitening and losses against float64 references; roles on one base against separate models."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from transformers import TrainerCallback

from lab.core.recipes import PpoRecipe
from lab.core.token_credit import token_credits
from lab.data.datasets import Dataset
from lab.store.run_folder import RunFolder
from lab.tasks.equations import Split, prompts
from lab.training.base import Loaded, lora_config
from lab.training.ppo import build_trainer, gae, value_loss, whiten
from lab.training.ppo_tokens import joined
from lab.training.reporter import Reporter
from lab.training.roles import POLICY, VALUE, Roles, acting_as
from lab.training.task import Task, rule_set
from tests.training.conftest import LETTERS

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
def batch(tokenizer):
    torch.manual_seed(0)
    ids = torch.randint(4, 280, (4, 14))
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    return ids, mask


def adapted(make_model, seed):
    """A peft model with random, not zero, adapter weights."""
    model = get_peft_model(make_model(), lora_config(RECIPE))
    randomise(model, POLICY, seed)
    return model


def randomise(model, adapter, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if f".{adapter}." in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


def test_roles_on_one_base_equal_separate_models_exactly(make_model, batch):
    ids, mask = batch
    model = adapted(make_model, 1)
    roles = Roles(model)
    roles.add_value(lora_config(RECIPE))
    randomise(model, VALUE, 2)
    alone = {None: make_model().model, POLICY: adapted(make_model, 1).get_base_model().model}
    alone[VALUE] = adapted(make_model, 2).get_base_model().model
    for adapter, separate in alone.items():
        with torch.no_grad():
            ours = roles.hidden(adapter, ids, mask)
            theirs = separate(input_ids=ids, attention_mask=mask).last_hidden_state
        assert (ours - theirs).abs().max() == 0.0, adapter
    with torch.no_grad():
        assert (roles.hidden(POLICY, ids, mask) - roles.hidden(VALUE, ids, mask)).abs().max() > 1e-3


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_of_the_trained_roles_equal_those_of_separate_models(make_model, batch, checkpointing):
    ids, mask = batch
    model = adapted(make_model, 1)
    roles = Roles(model)
    roles.add_value(lora_config(RECIPE))
    randomise(model, VALUE, 2)
    others = {POLICY: adapted(make_model, 1), VALUE: adapted(make_model, 2)}
    if checkpointing:
        for each in (model, *others.values()):
            each.enable_input_require_grads()
            each.gradient_checkpointing_enable({"use_reentrant": False})
            each.train()
    for adapter, other in others.items():
        with acting_as(model, adapter):  # a checkpointed backward computes the forward again: the role must still act
            roles.hidden(adapter, ids, mask).pow(2).mean().backward()
        other.get_base_model().model(input_ids=ids, attention_mask=mask).last_hidden_state.pow(2).mean().backward()
        theirs = {name: p.grad for name, p in other.named_parameters() if p.grad is not None}
        assert theirs
        ours = dict(model.named_parameters())
        for name, gradient in theirs.items():
            assert torch.equal(ours[name.replace(".default.", f".{adapter}.")].grad, gradient), name
    assert all(
        p.grad is None for name, p in model.named_parameters() if "lora_" not in name and "value_head" not in name
    )


def test_acting_as_never_touches_what_trains(make_model):
    model = adapted(make_model, 1)
    roles = Roles(model)
    roles.add_value(lora_config(RECIPE))
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    with acting_as(model, VALUE), acting_as(model, None):
        pass
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before
    trained = {name for name, on in before.items() if on}
    assert any(".value." in name for name in trained)
    assert any(".default." in name for name in trained)
    assert all("lora_" in name or name.startswith("value_head") for name in trained)


def test_the_reference_does_not_drift(make_model, batch):
    ids, mask = batch
    model = adapted(make_model, 1)
    roles = Roles(model)
    roles.add_value(lora_config(RECIPE))
    with torch.no_grad():
        before = copy.deepcopy(roles.hidden(None, ids, mask))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(100):
        (roles.hidden(POLICY, ids, mask).mean() + roles.values(ids, mask, 5).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        assert (roles.hidden(None, ids, mask) - before).abs().max() == 0.0
        assert (roles.hidden(POLICY, ids, mask) - before).abs().max() > 1e-3


def test_values_belong_to_the_state_before_each_token(make_model, batch):
    """Changing the last token moves no value; changing an earlier one moves the values after it."""
    ids, mask = batch
    model = adapted(make_model, 1)
    roles = Roles(model)
    roles.add_value(lora_config(RECIPE))
    torch.nn.init.normal_(model.value_head.weight)
    with torch.no_grad():
        values = roles.values(ids, mask, 6)
        changed = ids.clone()
        changed[:, -1] = (changed[:, -1] + 1) % 280
        assert torch.equal(roles.values(changed, mask, 6), values)
        changed[:, -3] = (changed[:, -3] + 1) % 280
        moved = roles.values(changed, mask, 6) != values
    assert not moved[:, :4].any()
    assert moved[:, 4:].all()


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
