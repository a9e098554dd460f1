"""What the figures of the Compare tab share: for whom they are drawn, the frame on the page's own ground, labels that keep apart."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gradio.components.plot import PlotData

from lab.ui.tabs.compare.looks import THEMES

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"
CURVES_HEIGHT, TOP, BOTTOM = 400, 16, 44


_LOADING = threading.Lock()


def load_plotting() -> None:
    """Import pandas and plotly, one request at a time: plotly takes what is half imported by another thread for whole."""
    with _LOADING:
        import_module("pandas")
        import_module("plotly.graph_objects")


@dataclass(frozen=True)
class View:
    """How a figure is drawn for one reader: language, theme, and whether the screen is narrow."""

    language: str = "en"
    dark: bool = False
    narrow: bool = False


class Chart:
    """The parts of one figure, as plotly's own dictionaries.

    plotly checks them once, in ``framed``: checked part by part, a change of the axis takes the server 75 ms instead of 30.
    """

    def __init__(self, view: View) -> None:
        self.view, self.theme = view, THEMES[view.dark]
        self.traces: list[dict[str, Any]] = []
        self.labels: list[dict[str, Any]] = []
        self.x_axis: dict[str, Any] = {}
        self.y_axis: dict[str, Any] = {}
        self.layout: dict[str, Any] = {}

    def scatter(self, x: Any, y: Any, **style: Any) -> None:
        """Points or a line; places are arrays or lists of numbers, as many of ``x`` as of ``y``."""
        self.traces.append({"type": "scatter", "x": x, "y": y, "showlegend": False, **style})

    def label(self, text: str, **style: Any) -> None:
        """Text at a place, without an arrow."""
        self.labels.append({"text": text, "showarrow": False, **style})

    def framed(self, height: int, *, left: int = 46, right: int = 12, bottom: int = BOTTOM, top: int = TOP) -> PlotData:
        """The figure for ``gr.Plot``, on the page's own ground, without plotly's tool bar. ValueError: a part is none of plotly's."""
        import plotly.graph_objects as go

        axis = {
            "gridcolor": self.theme.line,
            "zerolinecolor": self.theme.line,
            "linecolor": self.theme.line,
            "tickfont": {"size": 12},
            "fixedrange": True,
        }
        layout = {
            "template": "none",
            "height": height,
            "margin": {"l": left, "r": right, "t": top, "b": bottom},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": self.theme.soft},
            "hoverlabel": {"font": {"family": FONT}},
            "dragmode": False,
            "separators": ".,",
            "annotations": self.labels,
            "xaxis": axis | self.x_axis,
            "yaxis": axis | self.y_axis,
        }
        chart = go.Figure(data=self.traces, layout=layout | self.layout)
        config = '{"config":{"displayModeBar":false,"displaylogo":false,"scrollZoom":false},'
        return PlotData(type="plotly", plot=config + chart.to_json()[1:])


def axis_title(text: str) -> dict[str, Any]:
    """The title of an axis."""
    return {"text": text, "standoff": 6, "font": {"size": 12}}


def apart(heights: Sequence[float], low: float, high: float, pixels: float, gap: float) -> list[float]:
    """By how many pixels each label is moved up, so that labels in rising order of height lie ``gap`` apart."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    at = [(heights[place] - low) / ((high - low) or 1.0) * pixels for place in order]
    placed: list[float] = []
    for place in at:
        placed.append(max(place, placed[-1] + gap) if placed else place)
    over = max(0.0, placed[-1] - pixels + gap / 3) if placed else 0.0
    moved = [0.0] * len(heights)
    below = -math.inf
    for number, place in enumerate(order):
        spot = max(placed[number] - over, below + gap) if math.isfinite(below) else placed[number] - over
        below = spot
        moved[place] = spot - at[number]
    return moved
