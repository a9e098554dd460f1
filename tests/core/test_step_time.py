"""Shares of a step's time (``lab/core/step_time.py``)."""

from __future__ import annotations

from lab.core.step_time import LATEST, Part, step_time


def line(step: int, **seconds: float) -> dict[str, float]:
    return {"step": step, **{f"time/{part}": value for part, value in seconds.items()}}


def test_shares_are_of_the_seconds_and_add_up_to_one() -> None:
    told = step_time([line(1, waiting=9.0), line(2, forward=1.0, waiting=1.0), line(3, forward=2.0, waiting=0.0)])
    assert told == {"steps": 2, "seconds": 2.0, "parts": {"forward": 0.75, "waiting": 0.25}}


def test_a_run_of_one_step_tells_of_that_one() -> None:
    assert step_time([line(1, backward=3.0, waiting=1.0)]) == {
        "steps": 1,
        "seconds": 4.0,
        "parts": {"backward": 0.75, "waiting": 0.25},
    }


def test_only_the_latest_steps_count() -> None:
    old = [line(step, rewards=1.0, waiting=0.0) for step in range(LATEST + 5)]
    new = [line(step, forward=1.0, waiting=0.0) for step in range(LATEST)]
    told = step_time([*old, *new])
    assert told is not None and told["parts"] == {"forward": 1.0}


def test_lines_of_older_runs_and_of_measurements_tell_nothing() -> None:
    assert (
        step_time([{"step": 1, "seconds": 2.0}, {"step": 1, "held_out": {}}, {"step": 2, "time/waiting": None}]) is None
    )


def test_every_part_has_a_metric_of_its_own() -> None:
    assert len({part.metric for part in Part}) == len(Part) == 8
