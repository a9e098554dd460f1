"""Where the time of a run's steps goes, as one line of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.words import say


def step_time_line(time: Mapping[str, Any], locale: str) -> str:
    """``{"seconds", "parts": {part: share}}`` (``lab/core/step_time.py``) with the largest part first; what is under half a percent is left out."""
    largest_first = sorted(time["parts"].items(), key=lambda item: -item[1])
    parts = [
        say("step_time.part", locale, name=say(f"step_time.{name}", locale), share=round(100 * share))
        for name, share in largest_first
        if share >= 0.005
    ]
    joined = say("step_time.between", locale).join(parts)
    return say("step_time.line", locale, seconds=f"{time['seconds']:.3g}", parts=joined)
