"""What a bench gives back: figures, each with its unit and its target. Printing them is ``report.py``'s."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number. ``at_most`` or ``at_least`` is the target; without one, the number is there to be known."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all are not above (nearest rank): one that was really measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle one; of an even number, the lower of both."""
    return quantile(values, 0.5)
