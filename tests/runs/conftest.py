"""A store, a supervisor with a fake worker, and patient waiting."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lab.core.recipes import Recipe, parse
from lab.runs.launcher import LocalLauncher
from lab.runs.supervisor import Supervisor
from lab.store.runs import Run, RunState, Store

FAKE = Path(__file__).with_name("fake_worker.py")
PATIENCE = 60.0


def fake_command(path: Path) -> list[str]:
    return [sys.executable, str(FAKE), str(path)]


def recipe(steps: int = 5, **how: object) -> Recipe:
    return parse(
        {
            "algorithm": "grpo",
            "name": f"fake {steps}",
            "steps": steps,
            "save_every": 10,
            "model": "tiny",
            "about_en": json.dumps(how),
        }
    )


def wait_for(what: Callable[[], object], patience: float = PATIENCE) -> None:
    """Until ``what`` holds; a deadline only so that a broken test ends."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def wait_state(store: Store, run: Run, *states: RunState) -> Run:
    wait_for(lambda: store.run(run.id).state in states)
    return store.run(run.id)


def wait_step(store: Store, run: Run, step: int) -> None:
    wait_for(lambda: any(line.get("step", 0) >= step for line in store.folder(run.id).metrics().lines))


@pytest.fixture
def store(lab_home: Path) -> Iterator[Store]:
    store = Store(lab_home)
    yield store
    for run in store.runs():  # whatever a failed test left behind
        if run.pid and run.state is RunState.RUNNING and psutil.pid_exists(run.pid):
            with suppress(OSError):
                os.killpg(run.pid, signal.SIGKILL)
    store.close()


@pytest.fixture
def supervisor(store: Store) -> Iterator[Supervisor]:
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    supervisor.start()
    yield supervisor
    supervisor.close()
