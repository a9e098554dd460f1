"""Where chains end: reward against KL from the start, and the differences of pass@1 with their intervals.

Not here: curves (``figures.py``), the statistics (``lab/compare/verdict.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from gradio.components.plot import PlotData

from lab.compare.phrases import figure, points
from lab.compare.verdict import Difference, Group
from lab.ui.tabs.compare.drawing import BOTTOM, CURVES_HEIGHT, TOP, Chart, View, apart, axis_title
from lab.ui.tabs.compare.lines import lines_of
from lab.ui.tabs.compare.looks import Look
from lab.words import say

FOREST_ROW = 40
"""The height of a row of the forest plot, and of the words beside it (``style.css``)."""


def front(groups: Sequence[Group], looks: Mapping[str, Look], view: View) -> PlotData | None:
    """Reward against KL from the start: a small mark a seed, a large one for their mean, the path between; and the front of the best."""
    chart = Chart(view)
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
            style = {"color": look.colour, "dash": look.dash, "width": 2.2}
            chart.scatter(line.x, line.mean, mode="lines", line=style, hoverinfo="skip")
        mean = fmean(kl for kl, _ in ends), fmean(reward for _, reward in ends)
        if len(ends) > 1:
            _dots(chart, ends, look, 7, open_=True)
        _dots(chart, [mean], look, 12, open_=False)
        means.append(mean)
        names.append((group.label, *mean))
    if not means:
        return None
    _fit(chart, names, looks)
    best = pareto(means)
    if len(best) > 1:
        style = {"color": chart.theme.soft, "width": 7}
        chart.scatter(*zip(*best, strict=True), mode="lines", line=style, opacity=0.25, hoverinfo="skip")
    better = say("compare.better", view.language)
    chart.label(
        f"↖ <b>{better}</b>", x=0.02, y=0.99, xref="paper", yref="paper",
        font={"color": chart.theme.soft, "size": 12},
    )  # fmt: skip
    return chart.framed(CURVES_HEIGHT)


def forest(differences: Sequence[Difference], view: View) -> PlotData | None:
    """Differences of pass@1 in points, one a row, with their 95 % intervals around zero; dashed where zero lies within."""
    rows = [(each, each.interval) for each in differences if each.interval is not None]
    if not rows:
        return None
    chart = Chart(view)
    theme = chart.theme
    bounded = [abs(value) for _, i in rows for value in (i.low, i.high, i.mean) if math.isfinite(value)]
    reach = 115 * max(bounded) or 1.0
    for place, (each, interval) in enumerate(rows):
        sure = interval.excludes_zero
        low, high = (max(-reach, min(reach, 100 * end)) for end in (interval.low, interval.high))
        style = {"color": theme.ink if sure else theme.soft, "width": 3, "dash": "solid" if sure else "dash"}
        chart.scatter([low, high], [place, place], mode="lines", line=style, hoverinfo="skip")
        marker = {
            "size": 12,
            "color": theme.ink if sure else theme.ground,
            "line": {"width": 2, "color": theme.ink if sure else theme.soft},
        }
        told = f"{each.one.label} − {each.other.label}: {points(interval.mean, signed=True)}"
        chart.scatter([100 * interval.mean], [place], mode="markers", marker=marker, hovertext=[told], hoverinfo="text")
    zero = {"type": "line", "xref": "x", "yref": "y domain", "x0": 0, "x1": 0, "y0": 0, "y1": 1}
    chart.layout = {"shapes": [zero | {"line": {"color": theme.soft, "width": 1}}]}
    chart.y_axis = {"visible": False, "range": [len(rows) - 0.5, -0.5]}
    chart.x_axis = {"range": [-reach, reach], "tickformat": "+d", "nticks": 7}
    return chart.framed(FOREST_ROW * len(rows) + 30, left=8, right=8, bottom=26, top=4)


def pareto(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of ends (KL, reward), those that none beats by more reward at no more KL, by KL."""
    best: list[tuple[float, float]] = []
    for kl, reward in sorted(ends, key=lambda end: (end[0], -end[1])):
        if not best or reward > best[-1][1]:
            best.append((kl, reward))
    return best


def _dots(chart: Chart, ends: Sequence[tuple[float | None, float]], look: Look, size: int, *, open_: bool) -> None:
    symbol = f"{look.marker}-open" if open_ else look.marker
    marker = {"symbol": symbol, "size": size, "color": look.colour, "line": {"width": 1.5}}
    told = "%{y:.3f} @ %{x:.3f}<extra></extra>"
    chart.scatter([x for x, _ in ends], [y for _, y in ends], mode="markers", marker=marker, hovertemplate=told)


def _fit(chart: Chart, names: Sequence[tuple[str, float, float]], looks: Mapping[str, Look]) -> None:
    """Fit both axes to what is drawn, and name each end (label, KL, reward) beside its mark."""
    rewards = [float(y) for trace in chart.traces for y in trace["y"]]
    low, high = min(rewards), max(rewards)
    room = 0.1 * (high - low or 1.0)
    chart.y_axis = {"range": [low - room, high + room], "nticks": 6}
    furthest = max(float(x) for trace in chart.traces for x in trace["x"])
    title = axis_title(say("compare.axis_title.kl", chart.view.language))
    chart.x_axis = {"range": [-0.03 * furthest, furthest * 1.32], "title": title}
    heights = apart([y for _, _, y in names], low - room, high + room, CURVES_HEIGHT - TOP - BOTTOM, 20)
    for (label, x, y), height in zip(names, heights, strict=True):
        chart.label(
            f"<b>{label}</b> {figure(y)}", x=x, y=y, xanchor="left", xshift=12, yshift=height,
            font={"color": looks[label].colour, "size": 12},
        )  # fmt: skip
