"""What a run is compared with is its start: a successor's reference is the adapter that it began with."""

from __future__ import annotations

import json

import pytest
import torch

from lab.store.run_folder import RunFolder
from lab.training.worker.main import work
from tests.training.worker.test_main import make_run

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]

SHORT = {
    "batch_size": 8,
    "group_size": 4,
    "max_completion_length": 8,
    "measure_samples": 0,
    "threshold": {"kind": "all"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with an adapter that has learned a lot in two steps."""
    home = tmp_path_factory.mktemp("lab_home")
    far = {
        "training": "lora",
        "steps": 2,
        "batch_size": 8,
        "learning_rate": 0.02,
        "warmup_steps": 0,
        "measure_samples": 0,
    }
    assert work(make_run(home, "tiny/sft", "sft", **far)) == 0
    return home


@pytest.mark.parametrize("training", ["lora", "full"])
def test_grpo_after_an_adapter_begins_with_no_kl(home, training):
    first, line = kl_and_group(home, training, "run:sft")
    assert first == pytest.approx(0.0, abs=1e-5)
    for completion in line["completions"]:
        assert completion["logp"] == pytest.approx(completion["ref_logp"], abs=1e-3)
    without = json.loads((home / "runs" / "sft" / "metrics.jsonl").read_text().splitlines()[0])
    assert without["loss"] > 0, "the adapter did move"


def kl_and_group(home, training, model):
    """The first step's KL and its first group."""
    rate = {"learning_rate": 1e-3, "warmup_steps": 0, "steps": 2, "skip_no_spread": False, "beta": 0.1}
    path = make_run(home, "tiny/grpo", f"grpo-{training}", model=model, training=training, **SHORT | rate)
    assert work(path) == 0
    folder = RunFolder(path)
    lines = folder.metrics().lines
    assert lines[1]["kl"] > 1e-5, "it has moved from there"
    return lines[0]["kl"], folder.group_lines(1, 1)[0]


def test_the_bare_base_would_be_far_away(home):
    """Or the test above would prove nothing."""
    from lab.core.recipes import SftRecipe
    from lab.training.models.base import load

    policy = load(SftRecipe(model="run:sft", training="lora", device="cpu"), home).model
    ids = torch.arange(4, 28).reshape(2, 12)
    with torch.no_grad():
        here = torch.log_softmax(policy(input_ids=ids).logits, -1)
        with policy.disable_adapter():
            base = torch.log_softmax(policy(input_ids=ids).logits, -1)
    assert (here.exp() * (here - base)).sum(-1).mean() > 0.01


def test_equal_groups_are_kept_where_they_are_not_skipped(make_trainer_of):
    from lab.core.rules import Rule
    from lab.sandbox.rewards import Weighed

    kept = []
    for skip in (True, False):
        trainer = make_trainer_of("grpo", skip_no_spread=skip, threshold={"kind": "all"}, beta=0.0)
        trainer.rules = [Weighed(Rule("constant", lambda *_: 1.0))]
        trainer.on_rollout = lambda rollout: kept.append(rollout.metrics()["kept_share"])
        trainer.train()
    assert kept == [0.0, 1.0]
