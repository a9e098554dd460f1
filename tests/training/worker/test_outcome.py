"""A run that took fewer steps than asked fails with the numbers; one whose weights did not move says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lab.core.recipes import parse
from lab.data.datasets import Dataset
from lab.errors import LabError
from lab.store.run_folder import RunFolder
from lab.training.worker import main as worker
from lab.training.worker.outcome import StartWeights, outcome, require_all_steps
from lab.words import word
from tests.training.worker.test_main import make_run


def test_a_run_that_ends_early_is_an_error_with_the_numbers() -> None:
    recipe, data = parse({"algorithm": "grpo", "steps": 4}), Dataset([{"prompt": "a"}] * 5, [], "")
    require_all_steps(recipe, data, 4)
    with pytest.raises(LabError) as caught:
        require_all_steps(recipe, data, 3)
    assert caught.value.params == {"step": 3, "steps": 4, "rows": 5, "needed": 8}
    for locale in ("en", "zh"):
        assert all(figure in word(caught.value, locale) for figure in "3458")


def test_the_smallest_move_of_any_weight_is_seen() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2).requires_grad_(False))
    model[0].weight.data.zero_()
    start = StartWeights(model)
    assert not start.moved(model)
    model[1].weight.data += 1  # frozen: none of what trains
    assert not start.moved(model)
    model[0].weight.data += 1e-3  # one and the same step of every weight, as Adam's first one is
    assert start.moved(model)
    model[0].weight.data.zero_()
    assert not start.moved(model)
    model[0].bias.data[1] = torch.nextafter(model[0].bias.data[1], torch.tensor(9.0))
    assert start.moved(model)


@pytest.mark.parametrize(
    ("kept", "moved", "keys"),
    [
        ([1, 1, 1], True, []),
        ([1, 0, 0], True, ["steps_without_update"]),
        ([0, 0, 0], False, ["nothing_kept"]),
        ([1, 1, 1], False, ["weights_unchanged"]),
    ],
)
def test_what_changed_nothing_is_said(kept: list[int], moved: bool, keys: list[str]) -> None:
    lines = [{"step": step, "optimizer_step": one} for step, one in enumerate(kept, start=1)]
    values, found = outcome([{"step": 0, "held_out": {}}, *lines], 3, moved=moved)
    assert values == {"weights_changed": moved, "steps_without_update": kept.count(0)}
    assert [note.key for note in found] == keys


@pytest.mark.parametrize(("spreads", "said"), [([0.0, 0.0], True), ([0.0, 0.1], False), ([None, None], False)])
def test_weights_that_moved_though_all_rewards_were_alike_are_said(spreads: list[float | None], said: bool) -> None:
    lines = [{"step": step, "reward_std": each} for step, each in enumerate(spreads, start=1)]
    _, found = outcome(lines, 2, moved=True)
    assert ("rewards_alike" in [note.key for note in found]) is said


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_run_whose_rewards_are_all_alike_finishes_and_says_that_nothing_changed(tmp_path: Path) -> None:
    silent = [{"name": "nothing", "source": "def reward(prompt, completion, answer):\n    return 0.5\n"}]
    path = make_run(tmp_path, "tiny/grpo", steps=2, rules=silent, measure_samples=0)
    assert worker.work(path) == 0
    folder = RunFolder(path)
    result = folder.result()
    assert result["weights_changed"] is False and result["steps_without_update"] == 2
    assert [note["key"] for note in folder.notes()][-1] == "nothing_kept"


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_trainer_that_ends_early_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.training import task

    monkeypatch.setattr(task.Task, "run", lambda self, trainer: None)  # as an epoch without a single batch does
    path = make_run(tmp_path, "tiny/sft", steps=2, measure_samples=0)
    assert worker.work(path) == 1
    result = json.loads((path / "result.json").read_text())
    assert (result["state"], result["error"]["key"]) == ("failed", "run_too_short")
    assert not (path / "model").exists()
