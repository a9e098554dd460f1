"""How far one optimiser step is, for steps that take minutes: which part of it, what share of that part, and how long a step takes.

The parts are generating (counted in tokens), scoring (not counted), and updating (counted in micro-batches). Not here: how many steps are
left (``lab/runs/progress.py``), and what is written (``reporter.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SHOWN_AFTER = 5.0
"""Seconds into a step from which its parts are told: a quick step needs none."""


class StepPart(StrEnum):
    """What a step is doing."""

    GENERATING = "generating"
    SCORING = "scoring"
    UPDATING = "updating"


@dataclass
class StepProgress:
    """Told of every token and micro-batch by the trainer's callback. ``iterations``: updates for each rollout."""

    iterations: int = 1
    clock: Callable[[], float] = time.monotonic
    part: StepPart | None = None
    fraction: float | None = None
    seconds: float | None = None
    """What a step takes, a mean over those with and without a rollout; None before the first micro-batch."""
    _began: float | None = None
    _generated: float | None = None
    _first: float | None = None

    def begin(self, *, generates: bool) -> None:
        """A step begins."""
        self._began, self._generated, self._first = self.clock(), None, None
        self.part, self.fraction = (StepPart.GENERATING if generates else StepPart.UPDATING), 0.0

    def token(self, number: int, most: int) -> None:
        """The ``number``-th token of each completion is being written, of ``most`` at most."""
        if self._began is not None:
            self._generated = self.clock()
            self.part, self.fraction = StepPart.GENERATING, min(1.0, number / most)

    def generated(self) -> None:
        """All completions are written."""
        if self._began is not None:
            self.part, self.fraction = StepPart.SCORING, None

    def micro_batch(self, done: int, of: int) -> None:
        """``done`` of the step's ``of`` micro-batches have had their forward and backward pass."""
        if self._began is None:
            return
        now = self.clock()
        self._first = self._first or now
        self.part, self.fraction = StepPart.UPDATING, done / of
        before = self._generated or self._began
        each = (now - self._first) / (done - 1) if done > 1 else now - before
        update = each * of
        whole = self._first - self._began + each * (of - 1)
        self.seconds = (whole + (self.iterations - 1) * update) / self.iterations if self._generated else whole

    def end(self) -> None:
        """The step is over."""
        self.part = self.fraction = self._began = None

    def told(self) -> dict[str, object]:
        """What the heartbeat says: ``step_part``, ``step_fraction`` (None where nothing is to be told), ``step_seconds``."""
        long = self._began is not None and self.clock() - self._began >= SHOWN_AFTER
        part = self.part if long else None
        return {
            "step_part": part,
            "step_fraction": self.fraction if part else None,
            "step_seconds": self.seconds,
        }
