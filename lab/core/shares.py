"""A share of counted things with its confidence interval. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from lab.core.intervals import wilson


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
        """The 95 % Wilson score interval, which stays within 0 and 1 and holds for small counts too."""
        return wilson(self.count, self.of)

    def as_json(self) -> dict[str, float]:
        """``{"share", "low", "high", "count", "of"}``."""
        low, high = self.interval
        return {"share": self.share, "low": low, "high": high, "count": self.count, "of": self.of}
