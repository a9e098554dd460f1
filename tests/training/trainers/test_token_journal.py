"""tokens.jsonl: the numbers are the loss's own, equal to those recomputed from the weights, and bounded in bytes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lab.core.recipes import GrpoRecipe
from lab.store.run_folder import RunFolder
from lab.store.token_lines import TOKENS
from lab.training.trainers.token_journal import TokenJournal
from lab.training.worker.reporter import Reporter
from tests.training.algorithms.test_grpo import SMALL

TOLERANCE = 2e-4
"""Numbers stand in a line with 5 significant digits."""


@pytest.fixture
def trained(group_trainer, tmp_path):
    """A run of a recipe whose weights before each update are kept, with its folder and rollouts."""

    def train(megabytes=8.0, **changes):
        recipe = GrpoRecipe(
            **SMALL | {"steps": 4, "iterations": 2, "learning_rate": 2e-2, "epsilon_low": 0.05} | changes
        )
        seen, before = [], {}
        trainer = group_trainer(recipe, on_rollout=seen.append)
        folder = RunFolder(tmp_path)
        trainer.journal = TokenJournal(
            Reporter(folder, recipe.steps), trainer.processing_class, megabytes, recipe.steps
        )
        step = trainer.training_step

        def keeping(model, *args, **kwargs):
            at = trainer.state.global_step + 1
            before.setdefault(at, {name: p.detach().clone() for name, p in model.state_dict().items()})
            return step(model, *args, **kwargs)

        trainer.training_step = keeping
        trainer.train()
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
        return SimpleNamespace(trainer=trainer, folder=folder, rollouts=seen, before=before, losses=losses)

    return train


def lines_of(run):
    return [
        line
        for rollout in run.rollouts
        for group in range(len(rollout.groups))
        for line in run.folder.token_lines(rollout.step, group)
    ]


@pytest.mark.train
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_tokens_equal_those_recomputed_from_the_weights(trained, make_model, level):
    run = trained(ratio_level=level, loss_type="grpo" if level == "sequence" else "dapo")
    lines = lines_of(run)
    assert {line["update"] for line in lines} == {1, 2} and {line["at"] for line in lines} == {1, 2, 3, 4}
    for line in lines:
        rollout = next(each for each in run.rollouts if each.step == line["step"])
        size = run.trainer.num_generations
        prompt = run.trainer.tokens.asked(rollout.conversations[line["group"] * size])
        now, then = (weights(make_model, run.before[at]) for at in (line["at"], line["step"]))
        for told in line["completions"]:
            ids = told["token_ids"]
            logps, entropies = recomputed(now, prompt, ids)
            old, _ = recomputed(then, prompt, ids)
            assert told["logps"] == pytest.approx(logps, abs=TOLERANCE)
            assert told["entropies"] == pytest.approx(entropies, abs=TOLERANCE)
            log_ratio = np.array(logps) - np.array(old)
            expected = np.exp(log_ratio if level == "token" else np.full(len(ids), log_ratio.mean()))
            assert told["ratios"] == pytest.approx(expected, abs=TOLERANCE)
            advantage = rollout.groups[line["group"]].advantages[told["index"]]
            outside = (expected < 1 - 0.05) if advantage < 0 else (expected > 1 + 0.2)
            sure = (np.abs(expected - 0.95) > 1e-3) & (np.abs(expected - 1.2) > 1e-3)
            assert [c for c, s in zip(told["clipped"], sure, strict=True) if s] == list(outside[sure])


def weights(make_model, state):
    model = make_model()
    model.load_state_dict(state)
    return model.double().eval()


def recomputed(model, prompt, ids):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    logps = torch.log_softmax(logits, -1)
    chosen = logps.gather(-1, torch.tensor(ids)[:, None]).squeeze(-1)
    return chosen.tolist(), (-(logps.exp() * logps).sum(-1)).tolist()


@pytest.mark.train
def test_the_shares_of_all_tokens_add_up_to_the_loss_of_the_step(trained):
    run = trained(threshold={"kind": "all"}, skip_no_spread=False, beta=0.0)
    lines = lines_of(run)
    assert len(lines) == 2 * len(run.rollouts) * 4, "all four groups of each rollout, at both updates"
    for at, loss in enumerate(run.losses, start=1):
        parts = [part for line in lines if line["at"] == at for told in line["completions"] for part in told["parts"]]
        assert sum(parts) == pytest.approx(loss, abs=1e-4)
    assert max(map(abs, run.losses)) > 1e-3


@pytest.mark.train
def test_the_room_is_never_exceeded_and_a_run_is_covered_to_its_end(trained):
    run = trained(megabytes=0.03, steps=8)
    assert 0 < (run.folder.path / TOKENS).stat().st_size <= 30_000
    assert lines_of(run)[-1]["at"] >= 6


def test_a_resume_drops_what_lay_beyond_its_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    for at in (1, 2):
        folder.append("tokens", {"version": 1, "step": 1, "group": 0, "at": at, "update": at, "completions": []})
    folder.append("groups", {"version": 1, "step": 1})
    folder.note_resume(1)
    assert [line["at"] for line in folder.token_lines(1, 0)] == [1]
    folder.append(
        "tokens", {"version": 1, "step": 1, "group": 0, "at": 2, "update": 2, "completions": [], "again": True}
    )
    assert [line.get("again") for line in folder.token_lines(1, 0)] == [None, True]
    assert folder.token_lines(1, 1) == [] and RunFolder(tmp_path / "none").token_lines(1, 0) == []
