"""Runs that blow up end early, name the step and the last good checkpoint, and can be resumed from it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from lab.core.recipes import DpoRecipe, GrpoRecipe, PpoRecipe, SftRecipe
from lab.store.run_folder import RunFolder
from lab.training.worker.divergence import BlownUp, Divergence, ended, finite_scores
from lab.training.worker.main import work
from lab.words import word
from tests.training.worker.test_main import make_run, steps_of

TOO_FAST = {"learning_rate": 1.0, "schedule": "constant", "warmup_steps": 6, "save_every": 1, "measure_samples": 0}
"""The first step is taken at a learning rate of 0, so that its checkpoint is a good one."""
FEW = {"group_size": 2, "batch_size": 8, "max_completion_length": 8, "iterations": 1}
ALWAYS_KL = {"beta": 0.01, "threshold": {"kind": "all"}, "skip_no_spread": False}


@pytest.mark.train
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("algorithm", "changes", "sign"),
    [
        ("sft", {}, "loss"),
        ("grpo", FEW | ALWAYS_KL, "kl"),
        ("ppo", FEW, "kl"),
        ("dpo", {"max_log_ratio": 2.0}, "log_ratio"),
    ],
)
def test_a_run_that_blows_up_ends_and_resumes_from_before(tmp_path: Path, algorithm: str, changes, sign: str) -> None:
    path = make_run(tmp_path, f"tiny/{algorithm}", **(TOO_FAST | {"steps": 40} | changes))
    assert work(path) == 1
    folder = RunFolder(path)
    result = folder.result()
    error = result["error"]
    good = error["params"]["checkpoint"]
    assert result["state"] == "failed" and error["key"] == "blown_up"
    assert error["params"]["why"].startswith(f"{sign} = ")
    assert 1 <= good < error["params"]["step"] == result["steps"] < 40
    assert folder.last_checkpoint()[0] == good, "later ones, of bad weights, are gone"
    assert not folder.model_path.exists()
    sentence = word(error)
    assert f"step {good}" in sentence and f"step {result['steps']}" in sentence and "learning_rate below 1" in sentence
    make_run(tmp_path, f"tiny/{algorithm}", **(TOO_FAST | {"steps": good + 1} | changes))
    assert work(path) == 0
    assert steps_of(path) == list(range(1, good + 2))


@pytest.mark.train
def test_a_model_that_gives_no_numbers_is_noticed_before_it_is_sampled_from(make_model, tokenizer) -> None:
    model = make_model()
    ids = torch.tensor([[5, 6, 7]])
    with finite_scores(model):
        model.generate(ids, do_sample=True, max_new_tokens=3)
    with torch.no_grad():
        model.model.norm.weight.fill_(math.inf)
    with pytest.raises(BlownUp, match="logits"), finite_scores(model):
        model.generate(ids, do_sample=True, max_new_tokens=3)
    assert not model.get_output_embeddings()._forward_hooks, "the model is left as it was"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_accuses_the_weights_before_its_step(loss: float) -> None:
    with pytest.raises(BlownUp) as caught:
        Divergence(SftRecipe()).look(7, {"loss": loss, "grad_norm": 1.0})
    assert caught.value.bad_from == 6


def test_an_infinite_gradient_spoils_its_own_step_unless_the_scaler_leaves_it_out() -> None:
    found = Divergence(SftRecipe())
    found.look(7, {"loss": 1.0, "grad_norm": math.inf}, skips_infinite=True)
    with pytest.raises(BlownUp) as caught:
        found.look(7, {"loss": 1.0, "grad_norm": math.nan})
    assert caught.value.bad_from == 7


@pytest.mark.parametrize(("name", "bad_from"), [("value_loss", 6), ("critic_grad_norm", 7)])
def test_a_critic_that_is_no_number_ends_the_run_though_the_policy_is_fine(name: str, bad_from: int) -> None:
    with pytest.raises(BlownUp, match=name) as caught:
        Divergence(PpoRecipe()).look(7, {"loss": 0.0, "grad_norm": 1.0, "kl": 0.1, name: math.nan})
    assert caught.value.bad_from == bad_from


def test_dpo_has_moved_too_far_by_its_rewards_in_nats_a_token() -> None:
    found = Divergence(DpoRecipe(beta=0.1, max_log_ratio=5.0))
    near, far = {"reward_chosen": -9.9, "chosen_tokens": 20.0}, {"reward_chosen": -10.1, "chosen_tokens": 20.0}
    for step, values in enumerate([near, far, far, near, far, far, {"loss": 0.1}], start=1):
        found.look(step, {"loss": 0.1} | values)
    with pytest.raises(BlownUp, match="log_ratio") as caught:
        found.look(8, {"loss": 0.1} | far)
    assert caught.value.bad_from == 4
    for step in range(1, 9):
        Divergence(DpoRecipe(max_log_ratio=0)).look(step, {"loss": 0.1, "reward_chosen": -1e9, "chosen_tokens": 1.0})


def test_single_peaks_are_normal() -> None:
    found = Divergence(GrpoRecipe(max_kl=2.0))
    for step, kl in enumerate([3.0, 9.0, 1.0, 3.0, None, 9.0], start=1):
        found.look(step, {"loss": 0.0, "kl": kl})
    assert found.suspected
    with pytest.raises(BlownUp) as caught:
        found.look(7, {"loss": 0.0, "kl": 2.1})
    assert caught.value.bad_from == 3, "the first of the three in a row was step 4"


def test_a_rollouts_kl_counts_once_however_often_it_is_used() -> None:
    found = Divergence(PpoRecipe(iterations=2, max_kl=2.0))
    for step in range(1, 6):
        found.look(step, {"loss": 0.0, "kl": 3.0})
    with pytest.raises(BlownUp):
        found.look(6, {"loss": 0.0, "kl": 3.0})
    Divergence(PpoRecipe(max_kl=0)).look(1, {"loss": 0.0, "kl": 1e9})


def test_without_a_good_checkpoint_the_sentence_says_so(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (folder.checkpoint_path(3)).mkdir(parents=True)
    (folder.checkpoint_path(3) / "complete").touch()
    error = ended(BlownUp("loss = nan", 3), SftRecipe(), folder, 4)
    assert error.key == "blown_up_early" and folder.last_checkpoint() is None
    assert "loss = nan" in word(error, "zh")
