"""A store, a supervisor with a fake worker, and patient waiting."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.core.recipes import Recipe, parse
from lab.runs.launcher import LocalLauncher
from lab.runs.processes import end, is_alive
from lab.runs.run_work import run_identity
from lab.runs.supervisor import Supervisor
from lab.store.runs import Run, RunState, Store

ROOT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_worker.py")
PATIENCE = 60.0
NOBODY = 2**22 + 1
"""A pid that no process can have."""


StartApp = Callable[[int | str], "subprocess.Popen[str]"]


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
    for run in store.runs():  # whatever a failed test left behind; by identity, since a pid alone may be anybody's
        identity = run_identity(run)
        if identity is not None and run.state is RunState.RUNNING and is_alive(identity):
            end(identity, gently=False)
    store.close()


@pytest.fixture
def supervisor(store: Store) -> Iterator[Supervisor]:
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    supervisor.start()
    yield supervisor
    supervisor.close()


@pytest.fixture
def start_app(lab_home: Path) -> Iterator[StartApp]:
    """Starts ``tests/runs/app.py`` on the test's home, and returns once it is ready; killed at the end."""
    apps: list[subprocess.Popen[str]] = []

    def start(what: int | str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.runs.app", str(lab_home), str(what)]
        app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        apps.append(app)
        assert app.stdout and app.stdout.readline() == "ready\n"
        return app

    yield start
    for app in apps:
        app.kill()
        app.wait()
        assert app.stdout
        app.stdout.close()
