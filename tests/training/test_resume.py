"""Stopped and resumed is the same as never stopped: reward model, DPO, and PPO with its critic. (The others: test_worker.py.)"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.store.run_folder import RunFolder
from lab.training.worker.main import work
from tests.training.worker.test_main import make_run, steps_of

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]

SMALL = {"batch_size": 8, "measure_samples": 0, "warmup_steps": 0}
SAMPLED = {"group_size": 2, "max_completion_length": 8}
COMPARED = (
    "loss",
    "grad_norm",
    "accuracy",
    "margin",
    "reward",
    "value_loss",
    "critic_grad_norm",
    "explained_variance",
    "kl",
)


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("rm", {}),
        ("dpo", {}),
        ("ppo", SAMPLED | {"iterations": 1}),
        ("ppo", SAMPLED | {"iterations": 1, "critic": "trunk"}),
    ],
)
def test_resume_gives_what_would_have_been(tmp_path: Path, algorithm: str, changes: dict) -> None:
    changes = SMALL | changes
    straight = make_run(tmp_path, f"tiny/{algorithm}", "straight", **changes)
    assert work(straight) == 0
    stopped = make_run(tmp_path, f"tiny/{algorithm}", "stopped", **changes)
    (stopped / "stop").write_text('{"step": 2}')
    assert work(stopped) == 3
    before = steps_of(stopped)
    assert before and before[-1] < 4
    (stopped / "stop").unlink()
    assert work(stopped) == 0
    assert steps_of(stopped) == [1, 2, 3, 4]
    whole, resumed = (
        [{name: line.get(name) for name in COMPARED} for line in RunFolder(path).metrics().lines]
        for path in (straight, stopped)
    )
    assert resumed == whole, "bit for bit"
    assert any(line["value_loss"] for line in whole) == (algorithm == "ppo")


@pytest.mark.parametrize(
    ("algorithm", "changes", "stop"),
    [
        ("grpo", {"iterations": 2, "group_size": 4, "beta": 0.01, "micro_batch_size": 4}, 3),
        ("ppo", {"iterations": 3}, 4),
        ("ppo", {"iterations": 3, "critic": "trunk", "save_every": 2}, None),
    ],
)
def test_a_run_goes_on_in_the_middle_of_a_rollout(
    tmp_path: Path, algorithm: str, changes: dict, stop: int | None
) -> None:
    """Stopped there, or killed after a checkpoint there (at step 4, of a rollout that three updates use)."""
    changes = SMALL | SAMPLED | {"steps": 6, "learning_rate": 0.01, "epsilon_low": 0.01, "epsilon_high": 0.01} | changes
    straight = make_run(tmp_path, f"tiny/{algorithm}", "straight", **changes)
    assert work(straight) == 0
    again = make_run(tmp_path, f"tiny/{algorithm}", "again", **changes)
    if stop:
        stop_at(again, stop)
    else:
        shutil.rmtree(again)
        shutil.copytree(straight, again)
        shutil.rmtree(again / "checkpoints" / "step-6")
        (again / "result.json").unlink()
    assert RunFolder(again).last_checkpoint()[0] == (stop or 4)
    assert work(again) == 0
    whole, resumed = (RunFolder(path) for path in (straight, again))
    names = (*COMPARED, "clip_ratio", "entropy", "kept_share")
    lines = [[{name: line.get(name) for name in names} for line in f.metrics().lines] for f in (whole, resumed)]
    assert lines[1] == lines[0], "bit for bit"
    assert any(line["clip_ratio"] for line in lines[0]), "later updates clip"
    groups = [[(line["step"], line["prompt"], line["mean"]) for line in f.group_lines(1, 6)] for f in (whole, resumed)]
    assert groups[1] == groups[0] and len({step for step, *_ in groups[0]}) == 6 / changes["iterations"]


def stop_at(path: Path, step: int) -> None:
    """Run until this step and stop there."""

    def watch(folder: RunFolder) -> bool:
        return bool(steps_of(path)) and steps_of(path)[-1] >= step - 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "stop_requested", watch)
        assert work(path) == 3
    assert steps_of(path) == list(range(1, step + 1))


def test_a_checkpoint_without_its_rollout_says_that_prompts_are_asked_again(tmp_path: Path, capsys) -> None:
    path = make_run(tmp_path, "tiny/grpo", "old", **SMALL | SAMPLED | {"iterations": 2, "steps": 4})
    stop_at(path, 3)
    (RunFolder(path).last_checkpoint()[1] / "rollout.safetensors").unlink()
    assert work(path) == 0
    assert "this checkpoint holds no rollout" in capsys.readouterr().out
    assert steps_of(path) == [1, 2, 3, 4]
