"""The roofline of a step's parts: the seconds that their work needs at least on this machine, as a share of those that they took.

A part needs at least the time of its matrix products at the machine's best rate, and of the reading of its weights from memory at the best
rate, whichever is longer (Williams, Waterman and Patterson 2009, "Roofline"). Counted are the products of weights with activations; not
attention's products of activations, nor what is no product. So a share is a lower bound, and what is missing to 1 is room and overheads.

Not here: the counting (``lab/training/measure/work_counter.py``) and the measuring of the machine (``lab/training/measure/machine_speed.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.core.step_time import Part, counted_steps

WORKING = (Part.GENERATION, Part.SCORING, Part.FORWARD, Part.BACKWARD)
"""The parts whose work is counted."""


def flops_metric(part: Part) -> str:
    """The metric of a part's floating-point operations in a step."""
    return f"flops/{part}"


def bytes_metric(part: Part) -> str:
    """The metric of the bytes of weights that a part reads in a step."""
    return f"bytes/{part}"


@dataclass(frozen=True)
class MachineSpeed:
    """What was measured of a device: the best rates of one matrix product and of one copy."""

    device: str
    format: str
    """The number format of the product: fp32, bf16 or fp16."""
    flops: float
    """Floating-point operations a second of a matrix product."""
    bytes: float
    """Bytes a second that a copy reads and writes."""

    @classmethod
    def of(cls, values: object) -> MachineSpeed | None:
        """What stands in a file; None where it is not a speed."""
        if not isinstance(values, Mapping):
            return None
        device, kind, rates = values.get("device"), values.get("format"), (values.get("flops"), values.get("bytes"))
        if not isinstance(device, str) or not isinstance(kind, str):
            return None
        if not all(isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0 for rate in rates):
            return None
        return cls(device, kind, float(rates[0]), float(rates[1]))  # type: ignore[arg-type]

    def least_seconds(self, flops: float, read: float) -> float:
        """The seconds that so many operations and bytes need at least."""
        return max(flops / self.flops, read / self.bytes)


def roofline(lines: Iterable[Mapping[str, Any]], speed: MachineSpeed | None) -> dict[str, Any] | None:
    """``{"device", "format", "flops", "bytes", "parts": {part: share}}`` of the latest steps, those that ``step_time`` takes.

    None where the machine was not measured, or no line has counts.
    """
    if speed is None:
        return None
    steps = counted_steps(lines)
    parts: dict[str, float] = {}
    for part in WORKING:
        counted = [line for line in steps if _number(line, flops_metric(part)) and _number(line, part.metric)]
        least = sum(
            speed.least_seconds(_number(line, flops_metric(part)), _number(line, bytes_metric(part)))
            for line in counted
        )
        if counted:
            parts[str(part)] = least / sum(_number(line, part.metric) for line in counted)
    if not parts:
        return None
    return {
        "device": speed.device,
        "format": speed.format,
        "flops": speed.flops,
        "bytes": speed.bytes,
        "parts": parts,
    }


def _number(line: Mapping[str, Any], name: str) -> float:
    value = line.get(name)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else 0.0
