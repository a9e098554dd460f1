"""How an algorithm looks in every figure: a colour, a line style and a marker, so that none of them tells alone.

Several groups of one algorithm keep its colour and take other line styles and markers. Not here: the figures (``figures.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.compare.report.charts import variants
from lab.compare.verdict import Group

BY_DAY = {
    "grpo": "#0b7a4b",
    "ppo": "#5b45c9",
    "dpo": "#a05a00",
    "sft": "#57606a",
    "rm": "#a8326f",
    "pretrain": "#1f2328",
}
BY_NIGHT = {
    "grpo": "#3ecf9a",
    "ppo": "#a99bff",
    "dpo": "#f0b24a",
    "sft": "#a3adb8",
    "rm": "#f08cc0",
    "pretrain": "#eef1f4",
}
DASHES = {"grpo": "solid", "ppo": "dash", "dpo": "dashdot", "sft": "dot", "rm": "longdash", "pretrain": "dot"}
MARKERS = {
    "grpo": "circle",
    "ppo": "square",
    "dpo": "triangle-up",
    "sft": "diamond",
    "rm": "hexagon",
    "pretrain": "circle",
}
OTHER_DASHES = ("longdash", "dot", "longdashdot", "dash")
OTHER_MARKERS = ("x", "star", "cross", "pentagon")


@dataclass(frozen=True)
class Look:
    """One group's look; ``dash`` and ``marker`` by plotly's names."""

    colour: str
    dash: str
    marker: str

    def soft(self, alpha: float) -> str:
        """The colour, see-through."""
        red, green, blue = (int(self.colour[place : place + 2], 16) for place in (1, 3, 5))
        return f"rgba({red},{green},{blue},{alpha})"


@dataclass(frozen=True)
class Theme:
    """The colours of a figure's frame."""

    ink: str
    soft: str
    line: str
    ground: str
    warm: str
    veil: str
    """Behind a label that lies on a line."""


THEMES = {
    False: Theme("#1f2328", "#4c5560", "#d8dee4", "#ffffff", "#8a2c3c", "rgba(255,255,255,0.75)"),
    True: Theme("#eef1f4", "#a3adb8", "#30363d", "#0f1011", "#ff9b90", "rgba(22,27,34,0.75)"),
}


def look_of(algorithm: str, variant: int, dark: bool) -> Look:
    """The look of the ``variant``-th group of an algorithm, from 0."""
    colours = BY_NIGHT if dark else BY_DAY
    colour = colours.get(algorithm, THEMES[dark].ink)
    if variant == 0:
        return Look(colour, DASHES.get(algorithm, "solid"), MARKERS.get(algorithm, "circle"))
    place = (variant - 1) % len(OTHER_DASHES)
    return Look(colour, OTHER_DASHES[place], OTHER_MARKERS[place])


def looks_of(groups: Sequence[Group], dark: bool) -> dict[str, Look]:
    """By label."""
    numbers = variants(groups)
    return {group.label: look_of(group.algorithm, numbers[group.label], dark) for group in groups}
