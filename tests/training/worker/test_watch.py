"""The callback tells how far a step is, from real trainers: tokens while completions are written, then micro-batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.training.worker.main import work
from lab.training.worker.step_progress import StepProgress
from tests.training.worker.test_main import make_run

pytestmark = [pytest.mark.train, pytest.mark.timeout(300)]


@pytest.mark.parametrize("preset", ["tiny/grpo", "tiny/sft"])
def test_a_step_is_told_in_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str) -> None:
    heard: list[Any] = []
    for name in ("begin", "token", "generated", "micro_batch", "end"):
        real = getattr(StepProgress, name)

        def noted(self: StepProgress, *values: Any, _name: str = name, _real: Any = real, **more: Any) -> None:
            _real(self, *values, **more)
            heard.append((_name, *values))

        monkeypatch.setattr(StepProgress, name, noted)
    batch = {"batch_size": 8, "micro_batch_size": 2, "measure_samples": 0}
    groups = {"group_size": 4, "max_completion_length": 6, "threshold.kind": "all", "skip_no_spread": False}
    assert work(make_run(tmp_path, preset, steps=2, **batch, **(groups if preset == "tiny/grpo" else {}))) == 0
    steps = "".join(one[0][0] for one in heard).split("b")[
        1:
    ]  # by the first letters: begin, token, generated, micro, end
    assert len(steps) == 2
    assert [one[1:] for one in heard if one[0] == "micro_batch"] == [(n, 4) for n in (1, 2, 3, 4)] * 2
    for step in steps:
        written = step.count("t")
        assert step.endswith("me") and step.rstrip("me").replace("m", "").replace("g", "") == "t" * written
        assert (1 <= written <= 6) if preset == "tiny/grpo" else written == 0
        assert "t" not in step.lstrip("t"), "all is written before anything is updated"
