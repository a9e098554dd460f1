"""Figures as a table for the terminal, as Markdown for ``docs/benchmarks``, as JSON; and the machine in words."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lab.runs.launcher import cores
from tests.bench.figures import Figure

HEAD = ("bench", "figure", "measured", "target", "met")
RIGHT = (False, False, True, True, False)
Figures = Mapping[str, Sequence[Figure]]


def machine() -> str:
    """The processor and how many of its cores are ours; no name that somebody gave the machine."""
    model = platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")) or model
    count = cores()
    return f"{model}, {count} core{'s' if count > 1 else ''}, {platform.system()}, Python {platform.python_version()}"


def load() -> float | None:
    """The processes that wanted a core in the last minute: above 0.5 before the start, the machine was not quiet."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def as_text(figures: Figures) -> str:
    """Aligned columns."""
    rows = [HEAD, *_rows(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, RIGHT, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])


def as_markdown(figures: Figures, before: float | None) -> str:
    """A table for ``docs/benchmarks``, below the machine that it was measured on."""
    quiet = "" if before is None else f"; load average before the start: {before:g}"
    rule = "|" + "|".join("---:" if right else "---" for right in RIGHT) + "|"
    table = ["| " + " | ".join(row) + " |" for row in (HEAD, *_rows(figures))]
    return "\n".join([f"Machine: {machine()}{quiet}.", "", table[0], rule, *table[1:]])


def as_json(figures: Figures, before: float | None) -> str:
    """Everything, unrounded."""
    flat = [
        {
            "bench": bench,
            "name": f.name,
            "value": f.value,
            "unit": f.unit,
            "at_most": f.at_most,
            "at_least": f.at_least,
            "met": f.met,
        }
        for bench, some in figures.items()
        for f in some
    ]
    return json.dumps({"machine": machine(), "load_before": before, "figures": flat}, indent=1, ensure_ascii=False)


def _rows(figures: Figures) -> list[tuple[str, ...]]:
    return [
        (
            bench,
            figure.name,
            _number(figure.value, figure.unit),
            _target(figure),
            {None: "", True: "yes", False: "NO"}[figure.met],
        )
        for bench, some in figures.items()
        for figure in some
    ]


def _target(figure: Figure) -> str:
    if figure.at_least is not None:
        return "≥ " + _number(figure.at_least, figure.unit)
    return "" if figure.at_most is None else "≤ " + _number(figure.at_most, figure.unit)


def _number(value: float, unit: str) -> str:
    """Three digits that mean something, and no exponent."""
    digits = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()
