"""The clock of a step's parts, alone and inside the trainers of all six algorithms."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest

from lab.core.rules import Rule
from lab.core.step_time import Part
from lab.sandbox.rewards import Weighed
from lab.store.run_folder import RunFolder
from lab.training.task import Task
from lab.training.worker.step_timer import StepTimer
from tests.training.algorithms.conftest import SIBLINGS, make_task  # noqa: F401


def test_what_runs_inside_a_part_is_taken_out_of_it() -> None:
    ticks = count()
    timer = StepTimer(clock=lambda: float(next(ticks)))  # 0: began
    with timer.part(Part.BACKWARD):  # 1
        with timer.part(Part.FORWARD):  # 2
            pass  # 3
        with timer.part(Part.WAITING):  # 4
            pass  # 5
    seconds = timer.take()  # 6 left, 7 taken
    assert seconds[Part.WAITING] == 1 + 1 + 1
    assert seconds[Part.FORWARD] == 1
    assert seconds[Part.BACKWARD] == 3
    assert sum(seconds.values()) == 7


def test_an_open_part_goes_on_into_the_next_step_and_after_a_restart() -> None:
    ticks = count()
    timer = StepTimer(clock=lambda: float(next(ticks)))
    with timer.part(Part.WRITING):
        assert timer.take()[Part.WRITING] == 1
        timer.restart()
    assert timer.take() == dict.fromkeys(Part, 0.0) | {Part.WRITING: 1.0, Part.WAITING: 1.0}


def test_what_happens_while_it_is_stopped_is_no_part_of_the_step() -> None:
    ticks = count()
    timer = StepTimer(clock=lambda: float(next(ticks)))  # 0: began
    with timer.part(Part.WRITING), timer.stopped():  # 1, 2
        timer.restart()  # 3
        with timer.part(Part.FORWARD):  # 4
            pass  # 5
        assert sum(timer.take().values()) == 3  # 6
    # 7: the clock of the step goes on
    assert timer.take() == dict.fromkeys(Part, 0.0) | {Part.WAITING: 1 + 1, Part.WRITING: 1 + 1}  # 8 left, 9 taken


def test_a_device_is_waited_for_before_the_clock_is_read() -> None:
    settled: list[str] = []
    timer = StepTimer(settle=lambda: settled.append("settled"))
    with timer.part(Part.FORWARD):
        pass
    assert len(settled) == 2


EXPECTED = {
    "pretrain": {Part.FORWARD, Part.BACKWARD, Part.OPTIMIZER},
    "sft": {Part.FORWARD, Part.BACKWARD, Part.OPTIMIZER},
    "rm": {Part.FORWARD, Part.BACKWARD, Part.OPTIMIZER},
    "dpo": {Part.SCORING, Part.FORWARD, Part.BACKWARD, Part.OPTIMIZER, Part.WRITING},
    "ppo": {*Part},
    "grpo": {*Part},
}


@pytest.mark.train
@pytest.mark.parametrize("algorithm", SIBLINGS)
def test_the_parts_of_every_algorithm_add_up_to_the_steps_time(make_task, tmp_path, algorithm) -> None:  # noqa: F811
    task: Task = make_task(algorithm, steps=3)
    told: list[float] = []
    write = task.reporter.metrics

    def noted(*values: Any) -> None:
        told.append(time.perf_counter())
        write(*values)

    task.reporter.metrics = noted  # type: ignore[method-assign]
    SIBLINGS[algorithm].train(task)
    lines = RunFolder(tmp_path).metrics().lines
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line in lines:
        parts = {part: line[part.metric] for part in Part if part.metric in line}
        assert sum(parts.values()) == pytest.approx(line["seconds"], rel=1e-6)
        assert {part for part, seconds in parts.items() if seconds > 0} >= EXPECTED[algorithm] | {Part.WAITING}
    # The parts cover what lies between two lines, by a clock of the test's own; a busy machine may stop it between two reads.
    assert sum(line["seconds"] for line in lines[1:]) == pytest.approx(told[2] - told[0], rel=0.05, abs=0.1)


@pytest.mark.train
def test_a_rule_that_sleeps_is_the_part_that_grows(make_task, tmp_path) -> None:  # noqa: F811
    slow = 0.2

    def sleeps(_prompt: str, completion: str, _answer: str | None) -> float:
        time.sleep(slow)
        return len(completion) % 7

    task: Task = make_task("grpo", steps=2)
    SIBLINGS["grpo"].train(task)
    quick = RunFolder(tmp_path).metrics().lines[-1]
    task = make_task("grpo", steps=2)
    task.rules = [Weighed(Rule("sleeps", sleeps), 1.0)]
    SIBLINGS["grpo"].train(task)
    slowed = RunFolder(tmp_path).metrics().lines[-1]
    completions = task.recipe.batch_size
    grown = {part: slowed.get(part.metric, 0.0) - quick.get(part.metric, 0.0) for part in Part}
    assert max(grown, key=grown.__getitem__) is Part.REWARDS
    assert grown[Part.REWARDS] >= 0.9 * slow * completions
    assert slowed["reward_seconds"] == pytest.approx(slowed["time/rewards"])
