"""The summary and its estimate: honest, or None."""

from __future__ import annotations

import time

import pytest

from lab.runs.progress import seconds_a_step, seconds_left, stop_step, summary
from lab.store.lines import Line
from lab.store.runs import RunState, Store
from tests.runs.conftest import recipe


def lines(times: list[float], first: int = 1) -> list[Line]:
    return [{"step": first + place, "time": moment} for place, moment in enumerate(times)]


def test_the_pace_of_the_latest_steps() -> None:
    assert seconds_a_step([]) is None
    assert seconds_a_step(lines([10.0, 12.0])) is None
    assert seconds_a_step(lines([10.0, 12.0, 14.0, 16.0])) == pytest.approx(2.0)
    slow_then_fast = lines([float(10 * n) for n in range(10)] + [90.0 + n for n in range(1, 31)])
    assert seconds_a_step(slow_then_fast) == pytest.approx(1.0)


def test_a_sleeping_laptop_is_no_work() -> None:
    assert seconds_a_step(lines([0.0, 1.0, 2.0, 3.0, 30_000.0, 30_001.0])) == pytest.approx(1.0)


def test_steps_between_lines_and_measurements() -> None:
    every_ten = [{"step": 10 * n, "time": 5.0 * n} for n in range(1, 6)]
    measured = [*every_ten, {"step": 50, "time": 99.0, "held_out": {}}]
    assert seconds_a_step(measured) == pytest.approx(0.5)


def test_seconds_left_counts_this_attempt_only(store: Store) -> None:
    folder = store.folder(store.create_run(recipe(100)).id)
    now = time.time()
    for step in range(1, 11):
        folder.append("metrics", {"step": step, "time": now - 10_000 + step})
    folder.append("metrics", {"resumed_from": 10})
    beat = {"stage": "training", "step": 10, "steps": 100}
    assert seconds_left(folder, beat, 10, 100) is None
    for step in range(11, 21):
        folder.append("metrics", {"step": step, "time": now - 20 + 2 * (step - 10)})
    left = seconds_left(folder, beat | {"step": 20}, 20, 100)
    assert left is not None and 157 <= left <= 160
    folder.append("metrics", {"step": 20, "time": now, "seconds": 8.0, "held_out": {"pass_at_1": 0.5}})
    with_measuring = seconds_left(folder, beat | {"step": 20}, 20, 100)
    assert with_measuring is not None and 165 <= with_measuring <= 168
    after = beat | {"stage": "measuring_after", "stage_fraction": 0.75}
    assert seconds_left(folder, after, 100, 100) == pytest.approx(2.0)
    assert seconds_left(folder, beat | {"stage": "loading"}, 20, 100) is None


def test_a_step_that_hangs_counts_as_done_and_no_other(store: Store) -> None:
    folder = store.folder(store.create_run(recipe(100)).id)
    ended = time.time() - 1000
    for step in range(1, 11):
        folder.append("metrics", {"step": step, "time": ended - 2 * (10 - step)})
    left = seconds_left(folder, {"stage": "training", "step": 10, "steps": 20}, 10, 20)
    assert left == pytest.approx(9 * 2.0)


def test_a_queued_run(store: Store) -> None:
    first, second = (store.create_run(recipe(5)) for _ in range(2))
    shown = summary(second, store)
    assert (shown["queue_position"], shown["step"], shown["steps"], shown["stage"]) == (2, 0, 5, None)
    assert summary(first, store)["queue_position"] == 1
    assert set(shown) == {
        *("id", "name", "algorithm", "state", "created", "started", "ended", "step", "steps", "stage"),
        *("seconds_left", "tokens_per_second", "error", "result", "queue_position", "has_groups", "parent"),
        *("stop_at_step", "memory", "notes", "step_part", "step_fraction", "seconds_left_rough"),
    }


def test_the_step_at_which_it_will_stop(store: Store) -> None:
    run = store.create_run(recipe(10))
    store.change(run.id, state=RunState.RUNNING)
    folder = store.folder(run.id)
    assert stop_step(run, folder) is None
    folder.write("heartbeat", {"stage": "measuring_before", "step": 0, "steps": 10})
    assert stop_step(run, folder) == 1
    folder.write("heartbeat", {"stage": "training", "step": 4, "steps": 10})
    folder.append("metrics", {"step": 5, "time": 1.0})  # the heartbeat is a second old
    assert stop_step(run, folder) == 6
    folder.request_stop(step=6)
    assert summary(store.run(run.id), store)["stop_at_step"] == 6
    folder.append("metrics", {"step": 7, "time": 1.0})  # it was faster than the request
    assert summary(store.run(run.id), store)["stop_at_step"] == 7
    folder.write("heartbeat", {"stage": "training", "step": 10, "steps": 10})
    assert stop_step(run, folder) == 10


def test_before_a_few_steps_are_done_the_first_one_tells_how_long_it_takes(store: Store) -> None:
    run = store.create_run(recipe(100))
    folder = store.folder(run.id)
    beat = {"stage": "training", "step": 0, "steps": 100}
    assert seconds_left(folder, beat, 0, 100) is None
    assert seconds_left(folder, beat | {"step_seconds": 40.0}, 0, 100) == pytest.approx(4000.0)
    store.change(run.id, state=RunState.RUNNING)
    folder.write("heartbeat", beat | {"step_seconds": 40.0, "step_part": "updating", "step_fraction": 0.25})
    shown = summary(store.run(run.id), store)
    assert (shown["seconds_left"], shown["seconds_left_rough"]) == (4000.0, True)
    assert (shown["step_part"], shown["step_fraction"]) == ("updating", 0.25)
    now = time.time()
    for step in range(1, 6):
        folder.append("metrics", {"step": step, "time": now - 10 + 2 * step})
    folder.write("heartbeat", beat | {"step": 5, "step_seconds": 40.0})
    exact = summary(store.run(run.id), store)
    assert exact["seconds_left"] <= 190 and not exact["seconds_left_rough"], "the steps themselves are believed"
