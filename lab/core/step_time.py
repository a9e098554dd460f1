"""Where the time of an optimiser step goes: its parts by name, and their shares over the latest steps of a run.

Not here: the clock (``lab/training/worker/step_timer.py``), and words (``lab/words/*/step_time.toml``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

LATEST = 50
"""Steps that the shares are made of at most, so that they say what a run does now."""


class Part(StrEnum):
    """What a step spends time on; each moment of it belongs to exactly one."""

    GENERATION = "generation"
    """Writing completions."""
    SCORING = "scoring"
    """Passes without gradients over what was written or given: old policy, reference, reward model, critic."""
    REWARDS = "rewards"
    """Rules."""
    FORWARD = "forward"
    """The passes that are trained on, with their loss."""
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    """Joining the gradients of all processes, clipping them, and the update."""
    WRITING = "writing"
    """Metrics, groups, tokens, checkpoints."""
    WAITING = "waiting"
    """The rest: rows, tokens, and everything between the parts."""

    @property
    def metric(self) -> str:
        """Its name in a line of metrics: seconds of the step."""
        return f"time/{self}"


def step_time(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """``{"steps", "seconds", "parts": {part: share}}`` of the latest steps among lines of metrics, in the order of ``Part``.

    ``seconds`` is a step's mean; the shares add up to 1; a part that took no time is left out. The first step of an attempt, which
    also makes everything ready, counts only where there is no other. None where no line tells of parts.
    """
    steps = counted_steps(lines)
    totals = {part: sum(_seconds(line, part) or 0.0 for line in steps) for part in Part}
    whole = sum(totals.values())
    if not whole > 0:
        return None
    shares = {str(part): total / whole for part, total in totals.items() if total > 0}
    return {"steps": len(steps), "seconds": whole / len(steps), "parts": shares}


def counted_steps(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines of the steps that the shares are made of."""
    timed = [line for line in lines if _seconds(line, Part.WAITING) is not None]
    return (timed[1:] or timed)[-LATEST:]


def _seconds(line: Mapping[str, Any], part: Part) -> float | None:
    """What a line says of a part; None where it says nothing, or no time."""
    value = line.get(part.metric)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value >= 0 else None
