"""The process that answers the Learn tab: started when asked, kept, ended when nobody asks, and never silent about its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.core.lessons import Logps, Warm
from lab.errors import MachineError
from lab.runs import lessons as module
from lab.runs.lessons import Lessons

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def lessons(tmp_path: Path) -> Iterator[Lessons]:
    made = Lessons(tmp_path, idle=1.0, patience=500)
    yield made
    made.close()


def test_one_process_answers_many_questions_and_ends_when_idle(lessons: Lessons) -> None:
    lessons.ask(Warm())
    first = lessons._process
    answer = lessons.ask(Logps(prompt="Solve 3x + 5 = 20", answers=("x = 5",)))
    assert lessons._process is first and len(answer["logps"]) == 1
    deadline = time.monotonic() + 60
    while lessons.running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not lessons.running


def test_a_process_that_ends_is_told_and_started_anew(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    with pytest.raises(MachineError) as ended:
        lessons.ask(Warm())
    assert ended.value.key == "lesson_ended"
    monkeypatch.undo()
    assert lessons.ask(Warm()) == {}


def test_late_is_told(tmp_path: Path) -> None:
    impatient = Lessons(tmp_path, patience=0.05)
    with pytest.raises(MachineError) as late:
        impatient.ask(Warm())
    assert late.value.key == "lesson_late" and not impatient.running


def test_without_memory_nothing_is_started(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: (1 << 20, 1 << 30))
    with pytest.raises(MachineError) as refused:
        lessons.ask(Warm())
    assert refused.value.key == "lesson_memory" and not lessons.running
