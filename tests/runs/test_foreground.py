"""Ctrl-C in the foreground: it waits for the step, but not for long, and never cuts off what is being saved."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from lab.runs import foreground
from lab.runs.foreground import _step_is_over, train_in_foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.progress import Summary
from lab.store.run_folder import RunFolder
from lab.store.runs import RunState, Store
from tests.runs.conftest import fake_command, recipe


def test_a_step_that_does_not_end_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground, "STEP_PATIENCE", 0.3)
    pressed: list[int] = []

    def press(now: Summary) -> None:
        if now["state"] == "running" and not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    run = train_in_foreground(recipe(3, seconds=600), store, press, launcher=LocalLauncher(fake_command))
    assert pressed and run.state is RunState.STOPPED
    assert (store.folder(run.id).stop_request() or {})["now"] is True


@pytest.mark.parametrize(
    ("heartbeat", "over"),
    [
        ({"step": 3, "stage": "training"}, False),
        ({"step": 4, "stage": "training"}, True),  # its checkpoint is being written
        ({"step": 3, "stage": "saving"}, True),
        ({}, False),
    ],
)
def test_a_step_that_has_ended_is_left_to_save(store: Store, heartbeat: dict[str, Any], over: bool) -> None:
    folder: RunFolder = store.folder(store.create_run(recipe()).id)
    folder.request_stop(step=4)
    folder.write("heartbeat", heartbeat)
    assert _step_is_over(SimpleNamespace(folder=folder)) is over  # type: ignore[arg-type]
