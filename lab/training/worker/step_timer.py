"""The one clock of a run's steps: every moment of a step is charged to one part, so that the parts add up to the step.

Parts are nested: what runs inside another part is taken out of it. What no part claims is *waiting*. Not here: what the parts are
(``lab/core/step_time.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.core.step_time import Part


class StepTimer:
    """Charges time to parts. ``settle`` is called before the clock is read at a part's ends: a GPU works on after a call returns."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, settle: Callable[[], None] | None = None
    ) -> None:
        self._clock, self.settle = clock, settle
        self._open: list[Part] = []
        self.restart()

    def restart(self) -> None:
        """Begin a step now: what was charged before is forgotten."""
        self._seconds = dict.fromkeys(Part, 0.0)
        self._last = self._clock()

    @contextmanager
    def part(self, part: Part) -> Iterator[None]:
        """What happens in the block, and in no inner part of it, is charged to ``part``."""
        self.enter(part)
        try:
            yield
        finally:
            self.leave()

    def enter(self, part: Part) -> None:
        """Begin a part, inside the one that is open."""
        self._charge()
        self._open.append(part)

    def leave(self) -> None:
        """End the part that was begun last."""
        self._charge()
        if self._open:
            self._open.pop()

    @property
    def current(self) -> Part:
        """The part that time is charged to now."""
        return self._open[-1] if self._open else Part.WAITING

    def so_far(self, part: Part) -> float:
        """Seconds charged to a part since the step began."""
        return self._seconds[part]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens in the block is no part of the step; it has a clock of its own (``restart``, ``take``)."""
        self._charge()
        charged, parts = self._seconds, self._open
        self._seconds, self._open = dict.fromkeys(Part, 0.0), []
        try:
            yield
        finally:
            self._charge()
            self._seconds, self._open = charged, parts

    def take(self) -> dict[Part, float]:
        """The seconds of each part since the step began; the next step begins. Parts that are open go on into it."""
        self._charge()
        seconds, self._seconds = self._seconds, dict.fromkeys(Part, 0.0)
        return seconds

    def _charge(self) -> None:
        if self.settle is not None:
            self.settle()
        now = self._clock()
        self._seconds[self.current] += now - self._last
        self._last = now
