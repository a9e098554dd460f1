"""A share in words, with what it rests on: its 95 % interval and the number of samples; under ``FEW`` it says that these are few.

Page, command line and exports say the same. Not here: the interval itself (``lab/core/intervals.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.core.intervals import FEW, wilson
from lab.words import say

COUNTED_BY = {"pass_at_1": ("samples",), "pair_accuracy": ("pairs", "samples"), "agreement": ("agreement_pairs",)}
"""Shares by their name in result.json, with the names under which their number of samples stands, the first that is there."""


def share_text(share: float, n: int | None, language: str) -> str:
    """``89.7 % (87.7–91.4, n 1,024)``; where the number of samples was not recorded, that is said."""
    percent = f"{100 * share:.1f}"
    if not n:
        return say("shares.unknown", language, share=percent)
    low, high = (f"{100 * end:.1f}" for end in wilson(min(max(share, 0.0), 1.0) * n, n))
    key = "shares.few" if n < FEW else "shares.rests"
    return say(key, language, share=percent, low=low, high=high, n=f"{n:,}")


def samples_of(measured: Mapping[str, Any], name: str) -> int | None:
    """The number of samples behind a share of ``before`` or ``after``; None where it was not recorded."""
    counts = (measured.get(key) for key in COUNTED_BY[name])
    return next((int(count) for count in counts if isinstance(count, int | float)), None)


def measured_share(measured: Mapping[str, Any], name: str, language: str) -> str | None:
    """A share of ``before`` or ``after`` with what it rests on; None where it was not measured."""
    value = measured.get(name)
    return share_text(float(value), samples_of(measured, name), language) if isinstance(value, int | float) else None
