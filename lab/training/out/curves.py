"""A run's curves as one SVG file that any viewer, and the Hub, draws without a script: a small chart a metric."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, COLUMNS, MOST = 280, 150, 2, 6
LEFT, TOP, RIGHT, BOTTOM = 14, 34, 14, 22
"""Pixels around the plot, within one chart."""
POINTS = 400


def curves(lines: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """The charts of up to six metrics, those that the algorithm shows first."""
    series = {name: _series(lines, name) for name in ("loss", *names)}
    shown = [(name, points) for name, points in series.items() if len(points) > 1][:MOST]
    rows = math.ceil(len(shown) / COLUMNS) or 1
    charts = "".join(_chart(name, points, at) for at, (name, points) in enumerate(shown))
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}"'
    style = "text{font:12px system-ui,sans-serif;fill:#6b7280}.n{font-weight:600;fill:#0b6bb8}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Training curves">'
        f"<style>{style}</style>{charts}</svg>\n"
    )


def _series(lines: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    points = []
    for line in lines:
        value = line.get(name, (line.get("held_out") or {}).get(name))
        if isinstance(value, int | float) and math.isfinite(value):
            points.append((int(line["step"]), float(value)))
    return points[:: max(1, len(points) // POINTS)]


def _chart(name: str, points: list[tuple[int, float]], at: int) -> str:
    x0, y0 = (at % COLUMNS) * WIDTH, (at // COLUMNS) * HEIGHT
    first, last = points[0][0], points[-1][0]
    low, high = min(value for _, value in points), max(value for _, value in points)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(step: int, value: float) -> str:
        x = x0 + LEFT + wide * (step - first) / max(1, last - first)
        y = y0 + TOP + tall * (1 - (value - low) / (high - low if high > low else 1))
        return f"{x:.1f},{y:.1f}"

    path = " ".join(place(step, value) for step, value in points)
    label = f"{points[0][1]:.4g} → {points[-1][1]:.4g}"
    return (
        f'<text class="n" x="{x0 + LEFT}" y="{y0 + 18}">{html.escape(name)}</text>'
        f'<text x="{x0 + WIDTH - RIGHT}" y="{y0 + 18}" text-anchor="end">{label}</text>'
        f'<polyline fill="none" stroke="#0b6bb8" stroke-width="1.5" points="{path}"/>'
        f'<text x="{x0 + LEFT}" y="{y0 + HEIGHT - 6}">step {first}</text>'
        f'<text x="{x0 + WIDTH - RIGHT}" y="{y0 + HEIGHT - 6}" text-anchor="end">{last}</text>'
    )
