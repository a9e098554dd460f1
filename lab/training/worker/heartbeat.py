"""A thread that says at short intervals that this process lives, so that a long step does not look like a dead worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from lab.errors import MachineError

SECONDS = 1.0
"""Between two beats."""


class Heartbeat:
    """Calls ``beat`` at once and then every second, from ``start`` to ``stop``, or for as long as a context lasts."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """The first beat is the caller's own: what it raises is raised here."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Returns once no beat is under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS):
            try:
                self._beat()
            except (MachineError, OSError):  # a full or failing disk ends the work where it must write, not here
                continue
