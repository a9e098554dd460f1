"""The GRPO family: Dr. GRPO, RLOO, GSPO and DAPO, each loss against a float64 reference written from its paper, and dynamic sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.core.recipes import GrpoRecipe
from lab.core.rules import Rule
from lab.sandbox.rewards import Weighed
from lab.store.presets import load_preset
from tests.training.algorithms.test_grpo import SMALL, random_update

FAMILY = ("dr-grpo", "rloo", "gspo", "dapo")
K = 3


def advantages(name, rewards_P_K):
    """Of each paper: r − μ; r − mean of the others; (r − μ) / σ."""
    centred = rewards_P_K - rewards_P_K.mean(1, keepdims=True)
    if name == "dr-grpo":
        return centred
    if name == "rloo":
        others = [[np.delete(row, i).mean() for i in range(len(row))] for row in rewards_P_K]
        return rewards_P_K - np.array(others)
    return centred / (rewards_P_K.std(1, ddof=1, keepdims=True) + 1e-4)


def reference(name, logps, old, rewards, mask, recipe):
    """The loss of one step in float64: Dr. GRPO section 3; RLOO at ratio π/π_old; GSPO eq. 5 and 7; DAPO eq. 8."""
    low, high, lengths = recipe.epsilon_low, recipe.epsilon_high, mask.sum(1)
    advantage = advantages(name, rewards.reshape(-1, K)).reshape(-1)
    if name == "gspo":
        ratio = np.exp(((logps - old) * mask).sum(1) / lengths)
        return -np.minimum(ratio * advantage, np.clip(ratio, 1 - low, 1 + high) * advantage).mean()
    ratio = np.exp(logps - old)
    column = advantage[:, None]
    gain = np.minimum(ratio * column, np.clip(ratio, 1 - low, 1 + high) * column) * mask
    if name == "dr-grpo":
        return -gain.sum() / (len(mask) * recipe.max_completion_length)
    return -gain.sum() / mask.sum()


@pytest.mark.parametrize("name", FAMILY)
def test_each_loss_equals_its_papers_in_float64(group_trainer, make_model, name):
    preset = load_preset(f"tiny/{name}").recipe
    own = preset.model_dump(include={"scale_rewards", "baseline", "ratio_level", "loss_type"})
    bounds = {"epsilon_low": preset.epsilon_low, "epsilon_high": preset.epsilon_high}
    recipe = GrpoRecipe(**SMALL | own | bounds | {"group_size": K, "batch_size": 6, "micro_batch_size": 6})
    trainer, double = group_trainer(recipe), make_model().double().eval()
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    clipped = []

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def on_random_groups(seed):
        rng = np.random.default_rng(seed)
        batch, logps, old, _ = random_update(double, rng)
        rewards = rng.integers(0, 4, 6) + rng.normal(0, 0.1, 6)
        groups = [make(rewards[at : at + K], recipe) for at in (0, K)]
        batch["advantages"] = batch["advantages"].new_tensor([a for group in groups for a in group.advantages])
        loss = trainer.compute_loss(trainer.model, batch).item()
        mask = batch["completion_mask"].numpy()
        assert loss == pytest.approx(reference(name, logps, old, rewards, mask, recipe), rel=2e-5, abs=5e-6)
        clipped.append(trainer.metrics.take()["clip_ratio"])

    on_random_groups()
    assert max(clipped) > 0, "a clip that never acts would prove nothing of ε"


def make(rewards, recipe):
    from lab.core.groups import make_group

    return make_group(rewards, estimator=recipe.estimator)


def by_first_letter(prompt, completion, answer):
    return float(bool(completion) and ord(completion[0]) % 2)


class TestDynamicSampling:
    def recipe(self, rounds):
        return GrpoRecipe(**SMALL | {"steps": 2, "threshold": {"kind": "all"}}, dynamic_sampling=rounds)

    def trained(self, group_trainer, rules, rounds=2):
        seen = []
        trainer = group_trainer(self.recipe(rounds), rules=rules, on_rollout=seen.append)
        trainer.train()
        return trainer, seen

    def test_groups_that_stay_without_spread_are_marked_after_the_last_round(self, group_trainer):
        trainer, seen = self.trained(group_trainer, [Weighed(Rule("constant", lambda *_: 1.0))])
        told = [rollout.metrics() for rollout in seen]
        assert [(m["groups_drawn"], m["groups_thrown_away"]) for m in told] == [(12, 8), (12, 8)], "4 groups, 2 rounds"
        assert [m["optimizer_step"] for m in told] == [0, 0]
        assert trainer.metrics.tokens_generated > 2 * sum(sum(rollout.tokens) for rollout in seen), "all are counted"

    def test_other_prompts_are_asked_until_the_rewards_differ(self, group_trainer):
        _, plain = self.trained(group_trainer, [Weighed(Rule("letter", by_first_letter))], rounds=0)
        _, seen = self.trained(group_trainer, [Weighed(Rule("letter", by_first_letter))], rounds=16)
        assert any(not group.has_spread for rollout in plain for group in rollout.groups), "or there is nothing to mend"
        assert seen and all(rollout.groups for rollout in seen)
        assert all(group.has_spread for rollout in seen for group in rollout.groups)
        for rollout in seen:
            for line in rollout.lines({"kind": "all", "fraction": 1.0}):
                scores = [completion["scores"]["letter"] for completion in line["completions"]]
                texts = [completion["text"] for completion in line["completions"]]
                assert scores == [by_first_letter("", text, None) for text in texts], "texts and scores stay together"

    def test_without_it_nothing_is_said_of_draws(self, group_trainer):
        _, seen = self.trained(group_trainer, [Weighed(Rule("letter", by_first_letter))], rounds=0)
        assert seen and not any("groups_drawn" in rollout.metrics() for rollout in seen)
