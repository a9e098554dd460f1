"""Stopped and resumed is the same as never stopped: reward model, DPO, and PPO with its critic. (The others: test_worker.py.)"""

from __future__ import annotations

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
