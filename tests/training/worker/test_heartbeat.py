"""The thread that says that a worker lives goes on whatever one beat meets."""

from __future__ import annotations

import threading

import pytest

from lab.errors import MachineError
from lab.training.worker import heartbeat


@pytest.mark.parametrize("met", [MachineError("disk_full"), OSError(5, "Input/output error")])
def test_a_beat_that_fails_is_not_the_last(met: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)
    beats, third = [0], threading.Event()

    def beat() -> None:
        beats[0] += 1
        if beats[0] == 2:
            raise met
        if beats[0] == 3:
            third.set()

    heart = heartbeat.Heartbeat(beat)
    heart.start()
    assert third.wait(10)
    heart.stop()
