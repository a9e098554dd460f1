"""A share of counted things with its confidence interval. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964
"""The normal distribution's 97.5 % point: an interval of 95 %."""


@dataclass(frozen=True)
class Share:
    """``count`` (halves are allowed) of ``of``; of nothing, the share is 0 and the interval is all of 0 to 1."""

    count: float
    of: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval (Wilson 1927), which stays within 0 and 1 and holds for small counts too."""
        if not self.of:
            return 0.0, 1.0
        p, n, z2 = self.share, self.of, Z95 * Z95
        middle = p + z2 / (2 * n)
        width = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, (middle - width) / (1 + z2 / n)), min(1.0, (middle + width) / (1 + z2 / n))

    def as_json(self) -> dict[str, float]:
        """``{"share", "low", "high", "count", "of"}``."""
        low, high = self.interval
        return {"share": self.share, "low": low, "high": high, "count": self.count, "of": self.of}
