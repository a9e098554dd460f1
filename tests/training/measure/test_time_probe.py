"""The probe times real steps; what it scales up lies on the line through two sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.core.recipes import parse, with_values
from lab.store.presets import load_preset
from lab.training.measure import time_probe as probe
from lab.training.measure.time_probe import at_size, run_time, smallest_step


def test_a_size_is_scaled_along_the_line_of_two_that_were_timed() -> None:
    assert at_size(64, (2, 1.0), (8, 1.6)) == pytest.approx(1.6 + 0.1 * 56), "what a step costs anyway counts once"
    assert at_size(64, (2, 1.0), (8, 0.9)) == 0.9, "noise makes no step quicker than one that was timed"
    assert at_size(8, (2, 1.0), (2, 1.0)) == 4.0


def test_the_smallest_step_is_one_group_or_a_few_rows() -> None:
    grpo = parse({"algorithm": "grpo", "group_size": 4, "batch_size": 64, "max_completion_length": 448})
    assert smallest_step(grpo) == (4, {"max_completion_length": 32}, (64 + 448) / (64 + 32))
    assert smallest_step(parse({"algorithm": "dpo", "batch_size": 32})) == (2, {}, 1.0)
    assert smallest_step(parse({"algorithm": "sft", "batch_size": 1})) == (1, {}, 1.0)


@pytest.mark.train
@pytest.mark.timeout(300)
@pytest.mark.parametrize("algorithm", ["sft", "grpo"])
def test_real_steps_are_timed_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    sizes: list[int] = []
    train = probe.Probe._train
    monkeypatch.setattr(
        probe.Probe, "_train", lambda self, changes: sizes.append(changes.get("batch_size", 0)) or train(self, changes)
    )
    monkeypatch.setattr(probe, "AFFORDABLE", 0.0)  # whole steps are never affordable: two sizes, then arithmetic
    changes = {"batch_size": 32, "measure_samples": 16, "steps": 40}
    recipe = with_values(load_preset(f"tiny/{algorithm}").recipe, changes)
    found = run_time(recipe, tmp_path)
    few = recipe.group_size if algorithm == "grpo" else 2
    assert sizes == [few, 4 * few]
    assert found.step > 0 and found.loading > 0 and found.measuring > 0 and found.scaled == (4 * few < 32)
    kept = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.json")}
    assert kept <= {("cache", "machine")} and {path.name for path in tmp_path.iterdir()} <= {"cache"}
