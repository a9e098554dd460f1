"""A long step tells its part, its share and how long a step takes; the clock is the test's."""

from __future__ import annotations

import pytest

from lab.training.worker.step_progress import SHOWN_AFTER, StepProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_step_without_generation_is_estimated_from_its_first_micro_batch() -> None:
    clock = Clock()
    progress = StepProgress(clock=clock)
    progress.begin(generates=False)
    assert progress.told() == {"step_part": None, "step_fraction": None, "step_seconds": None}
    clock.now += 10
    progress.micro_batch(1, 4)
    assert progress.told() == {"step_part": "updating", "step_fraction": 0.25, "step_seconds": 40.0}
    clock.now += 6  # the first one warmed up
    progress.micro_batch(2, 4)
    assert progress.seconds == 10 + 3 * 6
    progress.end()
    assert progress.told() == {"step_part": None, "step_fraction": None, "step_seconds": 28.0}


@pytest.mark.parametrize(("iterations", "seconds"), [(1, 30 + 4 * 5), (2, (50 + 20) / 2)])
def test_a_rollout_counts_once_for_the_updates_that_use_it(iterations: int, seconds: float) -> None:
    clock = Clock()
    progress = StepProgress(iterations, clock)
    progress.begin(generates=True)
    clock.now += 30
    progress.token(8, 32)
    assert progress.told() == {"step_part": "generating", "step_fraction": 0.25, "step_seconds": None}
    progress.generated()
    assert progress.told()["step_part"] == "scoring"
    clock.now += 5
    progress.micro_batch(1, 4)
    assert progress.seconds == seconds


def test_a_quick_step_tells_nothing_and_outside_of_a_step_nothing_counts() -> None:
    clock = Clock()
    progress = StepProgress(clock=clock)
    progress.token(1, 8)
    progress.micro_batch(1, 1)
    assert progress.told() == {"step_part": None, "step_fraction": None, "step_seconds": None}
    progress.begin(generates=True)
    clock.now += SHOWN_AFTER - 0.1
    progress.token(1, 8)
    assert progress.told()["step_part"] is None
    clock.now += 0.2
    assert progress.told()["step_part"] == "generating"
