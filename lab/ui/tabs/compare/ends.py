"""Where chains end: reward against KL from the start, and the differences of pass@1 with their intervals. In plotly, imported when drawn.

Not here: curves (``figures.py``), the statistics (``lab/compare/verdict.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from gradio.components.plot import PlotData

from lab.compare.phrases import figure, points
from lab.compare.verdict import Difference, Group
from lab.ui.tabs.compare.drawing import BOTTOM, CURVES_HEIGHT, TOP, View, apart, framed
from lab.ui.tabs.compare.lines import lines_of
from lab.ui.tabs.compare.looks import THEMES, Look
from lab.words import say

FOREST_ROW = 40
"""The height of a row of the forest plot, and of the words beside it (``style.css``)."""


def front(groups: Sequence[Group], looks: Mapping[str, Look], view: View) -> PlotData | None:
    """Reward against KL from the start: a small mark a seed, a large one for their mean, the path between; and the front of the best."""
    import plotly.graph_objects as go

    chart, theme = go.Figure(), THEMES[view.dark]
    means: list[tuple[float, float]] = []
    names: list[tuple[str, float, float]] = []
    for group in groups:
        ends = [
            (run.kl_from_start, run.after["reward"].value)
            for run in group.runs.values()
            if run.kl_from_start is not None and "reward" in run.after
        ]
        if not ends:
            continue
        look = looks[group.label]
        for line in lines_of(group, "reward", "kl"):
            chart.add_trace(_plain_line(line.x, line.mean, look))
        mean = fmean(kl for kl, _ in ends), fmean(reward for _, reward in ends)
        if len(ends) > 1:
            chart.add_trace(_dots(ends, look, 7, open_=True))
        chart.add_trace(_dots([mean], look, 12, open_=False))
        means.append(mean)
        names.append((group.label, *mean))
    if not means:
        return None
    best = pareto(means)
    if len(best) > 1:
        chart.add_trace(
            go.Scatter(
                x=[x for x, _ in best],
                y=[y for _, y in best],
                mode="lines",
                line={"color": theme.soft, "width": 7},
                opacity=0.25,
                hoverinfo="skip",
                showlegend=False,
            )
        )
    nats = say("compare.axis_title.kl", view.language)
    chart.update_xaxes(title={"text": nats, "standoff": 6}, rangemode="tozero")
    _label_ends(chart, names, looks)
    better = say("compare.better", view.language)
    chart.add_annotation(
        x=0.02,
        y=0.99,
        xref="paper",
        yref="paper",
        text=f"↖ <b>{better}</b>",
        showarrow=False,
        font={"color": theme.soft, "size": 12},
    )
    return framed(chart, view, CURVES_HEIGHT)


def forest(differences: Sequence[Difference], view: View) -> PlotData | None:
    """Differences of pass@1 in points, one a row, with their 95 % intervals around zero; dashed where zero lies within."""
    import plotly.graph_objects as go

    rows = [(each, each.interval) for each in differences if each.interval is not None]
    if not rows:
        return None
    chart, theme = go.Figure(), THEMES[view.dark]
    bounded = [abs(value) for _, i in rows for value in (i.low, i.high, i.mean) if math.isfinite(value)]
    reach = 115 * max(bounded) or 1.0
    for place, (each, interval) in enumerate(rows):
        sure = interval.excludes_zero
        low, high = (max(-reach, min(reach, 100 * end)) for end in (interval.low, interval.high))
        style = {"color": theme.ink if sure else theme.soft, "width": 3, "dash": "solid" if sure else "dash"}
        chart.add_trace(
            go.Scatter(x=[low, high], y=[place, place], mode="lines", line=style, hoverinfo="skip", showlegend=False)
        )
        marker = {
            "size": 12,
            "color": theme.ink if sure else theme.ground,
            "line": {"width": 2, "color": theme.ink if sure else theme.soft},
        }
        told = f"{each.one.label} − {each.other.label}: {points(interval.mean, signed=True)}"
        chart.add_trace(
            go.Scatter(
                x=[100 * interval.mean],
                y=[place],
                mode="markers",
                marker=marker,
                hovertext=[told],
                hoverinfo="text",
                showlegend=False,
            )
        )
    chart.add_vline(x=0, line={"color": theme.soft, "width": 1})
    chart.update_yaxes(visible=False, range=[len(rows) - 0.5, -0.5])
    chart.update_xaxes(range=[-reach, reach], tickformat="+d", nticks=7)
    return framed(chart, view, FOREST_ROW * len(rows) + 30, left=8, right=8, bottom=26, top=4)


def pareto(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of ends (KL, reward), those that none beats by more reward at no more KL, by KL."""
    best: list[tuple[float, float]] = []
    for kl, reward in sorted(ends, key=lambda end: (end[0], -end[1])):
        if not best or reward > best[-1][1]:
            best.append((kl, reward))
    return best


def _plain_line(x: Any, y: Any, look: Look) -> Any:
    import plotly.graph_objects as go

    style = {"color": look.colour, "dash": look.dash, "width": 2.2}
    return go.Scatter(x=x.tolist(), y=y.tolist(), mode="lines", line=style, hoverinfo="skip", showlegend=False)


def _dots(ends: Sequence[tuple[float | None, float]], look: Look, size: int, *, open_: bool) -> Any:
    import plotly.graph_objects as go

    symbol = f"{look.marker}-open" if open_ else look.marker
    marker = {"symbol": symbol, "size": size, "color": look.colour, "line": {"width": 1.5}}
    told = "%{y:.3f} @ %{x:.3f}<extra></extra>"
    return go.Scatter(
        x=[x for x, _ in ends],
        y=[y for _, y in ends],
        mode="markers",
        marker=marker,
        hovertemplate=told,
        showlegend=False,
    )


def _label_ends(chart: Any, names: Sequence[tuple[str, float, float]], looks: Mapping[str, Look]) -> None:
    """Fit both axes to what is drawn, and name each end (label, KL, reward) beside its mark."""
    rewards = [y for trace in chart.data if trace.y is not None for y in trace.y]
    low, high = min(rewards), max(rewards)
    room = 0.1 * (high - low or 1.0)
    chart.update_yaxes(range=[low - room, high + room], nticks=6)
    furthest = max(x for trace in chart.data if trace.x is not None for x in trace.x)
    chart.update_xaxes(range=[-0.03 * furthest, furthest * 1.32])
    heights = apart([y for _, _, y in names], low - room, high + room, CURVES_HEIGHT - TOP - BOTTOM, 20)
    for (label, x, y), height in zip(names, heights, strict=True):
        text = f"<b>{label}</b> {figure(y)}"
        chart.add_annotation(
            x=x, y=y, text=text, showarrow=False, xanchor="left", xshift=12, yshift=height,
            font={"color": looks[label].colour, "size": 12},
        )  # fmt: skip
