"""The numbers of a curve as they are drawn: the mean over seeds and their range along an axis, thinned for a screen.

Not here: colours and plotly (``figures.py``), what was measured (``lab/compare/curves.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.compare.curves import Curve
from lab.compare.verdict import Group

DRAWN = 500
"""Points of a line: a chart is some 800 pixels wide, and MinMaxLTTB keeps its peaks."""
HELD_OUT = frozenset({"pass_at_1", "reward", "kl_from_start", "pair_accuracy", "agreement"})
"""Curves of few, measured points, which are drawn as marks."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A curve over an axis. ``low`` and ``high`` are the range of the seeds; of one seed, they are its values."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: int

    @property
    def banded(self) -> bool:
        """Whether there is a range to draw."""
        return self.seeds > 1


def lines_of(group: Group, name: str, axis: str) -> list[Line]:
    """The line of a group: one with a band where its seeds have the same steps, else one for each seed, as while they train."""
    curves = [curve for run in group.runs.values() if (curve := run.curves.get(name)) is not None and len(curve)]
    known = [_known(curve, axis) for curve in curves]
    known = [curve for curve in known if len(curve[0])]
    if not known:
        return []
    if len(known) > 1 and all(np.array_equal(steps, known[0][0]) for steps, _, _ in known):
        x = np.mean([at for _, at, _ in known], axis=0)
        values = np.stack([value for _, _, value in known])
        return [_thinned(x, values.mean(0), values.min(0), values.max(0), len(known))]
    return [_thinned(at, value, value, value, 1) for _, at, value in known]


def span(lines: Sequence[Line]) -> tuple[float, float]:
    """The lowest and highest value of some lines, with room around them."""
    low = min(float(line.low.min()) for line in lines)
    high = max(float(line.high.max()) for line in lines)
    room = 0.08 * (high - low or abs(high) or 1.0)
    return low - room, high + room


def _known(curve: Curve, axis: str) -> tuple[Floats, Floats, Floats]:
    """Steps, places on the axis and values, without those that are not known; of a step that was written twice, the last counts."""
    at = curve.axis(axis)
    there = np.isfinite(at) & np.isfinite(curve.value)
    whole = slice(None) if there.all() else there
    steps, at, values = (np.ascontiguousarray(places[whole]) for places in (curve.step, at, curve.value))
    if len(steps) > 1 and not np.all(np.diff(steps) > 0):
        steps, last = np.unique(steps[::-1], return_index=True)
        at, values = at[::-1][last], values[::-1][last]
    return steps, at, values


def _thinned(x: Floats, mean: Floats, low: Floats, high: Floats, seeds: int) -> Line:
    if len(x) > 1 and not np.all(np.diff(x) >= 0):
        order = np.argsort(x, kind="stable")
        x, mean, low, high = x[order], mean[order], low[order], high[order]
    if len(x) > DRAWN:
        from tsdownsample import MinMaxLTTBDownsampler

        kept = MinMaxLTTBDownsampler().downsample(x, mean, n_out=DRAWN)
        x, mean, low, high = x[kept], mean[kept], low[kept], high[kept]
    return Line(x, mean, low, high, seeds)
