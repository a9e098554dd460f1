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


def framed(
    chart: Any, view: View, height: int, *, left: int = 46, right: int = 12, bottom: int = BOTTOM, top: int = TOP
) -> PlotData:
    """The figure for ``gr.Plot``, on the page's own ground, without plotly's tool bar."""
    theme = THEMES[view.dark]
    axes = {
        "gridcolor": theme.line,
        "zerolinecolor": theme.line,
        "linecolor": theme.line,
        "tickfont": {"size": 12},
        "fixedrange": True,
    }
    chart.update_layout(
        template="none",
        height=height,
        margin={"l": left, "r": right, "t": top, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": theme.soft},
        hoverlabel={"font": {"family": FONT}},
        dragmode=False,
        separators=".,",
    )
    chart.update_xaxes(**axes, title_font={"size": 12})
    chart.update_yaxes(**axes)
    config = '{"config":{"displayModeBar":false,"displaylogo":false,"scrollZoom":false},'
    return PlotData(type="plotly", plot=config + chart.to_json()[1:])


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
