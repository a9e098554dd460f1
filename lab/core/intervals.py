"""Confidence intervals of shares, means and paired differences. Pure arithmetic.

Not here: a share that is carried about with its counts (``shares.py``), and what an interval lets one say (``lab/compare/verdict.py``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
FEW = 30
"""Under so many samples a share is shown grey, and says that it rests on few."""


@dataclass(frozen=True)
class MeanInterval:
    """A mean of ``n`` values with its interval; of fewer than two values the interval is unbounded."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the interval's width: the number after ±."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves no doubt that the mean is not 0."""
        return self.low > 0 or self.high < 0


def wilson(successes: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927, eq. 4): within 0 and 1, and right for small counts too.

    ``successes`` may hold halves. Of nothing (``n`` = 0) the interval is all of 0 to 1. Raises ValueError where it is no share.
    """
    if n < 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    if n == 0:
        return 0.0, 1.0
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    p, z2 = successes / n, z * z
    middle = p + z2 / (2 * n)
    width = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, min(p, (middle - width) / (1 + z2 / n))), min(1.0, max(p, (middle + width) / (1 + z2 / n)))


def mean_t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> MeanInterval:
    """The mean of ``values`` with Student's t interval. Raises ValueError where there are none, or one is not finite."""
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError("a mean needs at least one value, and finite ones")
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return MeanInterval(mean, -math.inf, math.inf, 1)
    half = t_quantile(n - 1, confidence) * statistics.stdev(values) / math.sqrt(n)
    return MeanInterval(mean, mean - half, mean + half, n)


def paired_difference(a: Sequence[float], b: Sequence[float]) -> MeanInterval:
    """The mean of ``a`` − ``b``, pair by pair (one pair a seed), with the paired t interval. Raises ValueError as above."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    return mean_t_interval([one - other for one, other in zip(a, b, strict=True)])


def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """The t that holds ``confidence`` of Student's distribution between −t and t; ``degrees`` of freedom ≥ 1."""
    if degrees < 1 or not 0 < confidence < 1:
        raise ValueError(f"no t quantile of {degrees} degrees of freedom at {confidence}")
    low, high = 0.0, math.pi / 2
    for _ in range(60):  # bisection on θ = arctan(t / √ν), in which the distribution is smooth
        middle = (low + high) / 2
        low, high = (middle, high) if _held(middle, degrees) < confidence else (low, middle)
    return math.tan(low) * math.sqrt(degrees)


def _held(theta: float, degrees: int) -> float:
    """P(|T| ≤ tan θ · √ν) in its finite series (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    return 2 / math.pi * (theta + sine * total) if odd else sine * total


def share_difference(successes: float, n: int, other_successes: float, other_n: int) -> tuple[float, float, float]:
    """The difference of two shares of separate samples with its interval: ``(difference, low, high)``.

    Newcombe's method 10 (1998, Statistics in Medicine 17, 873–890), made of both Wilson intervals; of nothing (n = 0) it is unbounded.
    """
    if not n or not other_n:
        return 0.0, -1.0, 1.0
    p, q = successes / n, other_successes / other_n
    (low_p, high_p), (low_q, high_q) = wilson(successes, n), wilson(other_successes, other_n)
    low = p - q - math.hypot(p - low_p, high_q - q)
    high = p - q + math.hypot(high_p - p, q - low_q)
    return p - q, low, high
