"""Limits of what a run may spend, and what a measurement in mid-run writes: it changes nothing that is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.store.run_folder import RunFolder
from tests.training.worker.test_main import finish, make_run, steps_of

pytestmark = [pytest.mark.train, pytest.mark.timeout(600)]


def test_a_run_takes_no_further_step_once_its_tokens_are_spent(tmp_path: Path) -> None:
    path = make_run(tmp_path, "tiny/sft", steps=40, max_tokens_trained=900, measure_samples=8)
    result = finish(path)
    tokens = [line["tokens_trained"] for line in RunFolder(path).metrics().lines if "held_out" not in line]
    assert result["state"] == "finished" and result["steps"] == len(tokens) < 40
    assert tokens == sorted(tokens) and tokens[-2] < 900 <= tokens[-1] == result["tokens_trained"]
    note = RunFolder(path).notes()[-1]
    assert (note["key"], note["params"]["limit"]) == ("ended_after_tokens_trained", "900")
    last = RunFolder(path).metrics().lines[-1]
    assert last["step"] == result["steps"] and last["held_out"]["pass_at_1"] == result["after"]["pass_at_1"]


def test_measuring_in_mid_run_tells_the_kl_and_changes_nothing(tmp_path: Path) -> None:
    """PPO, whose roles share the layers that are switched off for the start's log-probabilities."""
    few = {"steps": 6, "measure_samples": 16, "batch_size": 8, "iterations": 1, "learning_rate": 1e-2}
    watched = make_run(tmp_path, "tiny/ppo", "watched", measure_every=2, **few)
    alone = make_run(tmp_path, "tiny/ppo", "alone", measure_every=0, **few)
    results = [finish(path) for path in (watched, alone)]
    lines = [[line for line in RunFolder(path).metrics().lines if "held_out" not in line] for path in (watched, alone)]
    assert steps_of(watched) == steps_of(alone) == [1, 2, 3, 4, 5, 6]
    for name in ("loss", "value_loss", "reward", "kl", "grad_norm"):
        assert [line[name] for line in lines[0]] == [line[name] for line in lines[1]], name
    assert results[0]["kl_from_start"] == results[1]["kl_from_start"]
    measured = {line["step"]: line["held_out"] for line in RunFolder(watched).metrics().lines if "held_out" in line}
    assert sorted(measured) == [0, 2, 4, 6]
    assert "kl_from_start" not in measured[0] and measured[4]["kl_from_start"] != 0
