"""The figures of the Compare tab, in plotly: curves, where the seconds go, reward against KL, differences with their intervals.

plotly is imported when the first figure is drawn, so that a page that never opens Compare does not load it. What Gradio draws is
plotly's own bundle in the browser; no figure asks another host. Not here: which numbers (``lines.py``), words (``lab/words``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gradio.components.plot import PlotData

from lab.compare.phrases import figure, points
from lab.compare.report.charts import stage_means
from lab.compare.verdict import Difference, Group
from lab.core.intervals import mean_t_interval
from lab.ui.tabs.compare.lines import HELD_OUT, Line, lines_of, span
from lab.ui.tabs.compare.looks import THEMES, Look, look_of, looks_of
from lab.words import say

SHARES = frozenset({"pass_at_1", "pair_accuracy", "agreement"})
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"
CURVES_HEIGHT, TOP, BOTTOM = 400, 16, 44
LABEL_GAP = 34
ROW = 34


@dataclass(frozen=True)
class View:
    """How a figure is drawn for one reader: language, theme, and whether the screen is narrow."""

    language: str = "en"
    dark: bool = False
    narrow: bool = False


def curves(groups: Sequence[Group], name: str, axis: str, view: View) -> PlotData:
    """One curve of every group over an axis (``step``, ``seconds``, ``tokens``, ``kl``), each named at its end."""
    import plotly.graph_objects as go

    looks, scale = looks_of(groups, view.dark), 100.0 if name in SHARES else 1.0
    drawn = [(group, line) for group in groups for line in lines_of(group, name, axis)]
    chart = go.Figure()
    if not drawn:
        return _plot(chart, view, CURVES_HEIGHT)
    for group, line in drawn:
        for trace in _traces(group, line, looks[group.label], name in HELD_OUT, scale, view):
            chart.add_trace(trace)
    if axis == "seconds" and name in HELD_OUT:
        _waits(chart, drawn, scale, view)
    low, high = (scale * end for end in span([line for _, line in drawn]))
    unit = " %" if name in SHARES else ""
    chart.update_yaxes(range=[low, high], ticksuffix=unit, nticks=6)
    title = say(f"compare.axis_title.{axis}", view.language)
    furthest = max(float(line.x[-1]) for _, line in drawn)
    room = 1.4 if view.narrow else 1.24
    start = min(0.0, min(float(line.x[0]) for _, line in drawn))
    chart.update_xaxes(range=[start - 0.01 * furthest, furthest * room or 1.0], title={"text": title, "standoff": 6})
    for label in _end_labels(drawn, looks, (low, high), scale, view, unit):
        chart.add_annotation(**label)
    return _plot(chart, view, CURVES_HEIGHT)


def seconds(groups: Sequence[Group], view: View) -> PlotData | None:
    """One bar a group: the seconds of each stage of its chain, one after the other; None where they are not known."""
    import plotly.graph_objects as go

    bars = [(group, stages) for group in groups if (stages := stage_means(group))]
    if not bars:
        return None
    bars.sort(key=lambda bar: -sum(seconds for _, seconds in bar[1]))
    chart, theme, looks = go.Figure(), THEMES[view.dark], looks_of(groups, view.dark)
    longest = max(sum(seconds for _, seconds in stages) for _, stages in bars)
    for place in range(max(len(stages) for _, stages in bars)):
        rows = [(group, stages[place]) for group, stages in bars if place < len(stages)]
        styles = [look_of(name, 0, view.dark) for _, (name, _) in rows]
        chart.add_trace(
            go.Bar(
                y=[group.label for group, _ in rows],
                x=[seconds for _, (_, seconds) in rows],
                orientation="h",
                marker={
                    "color": [look.soft(0.22) for look in styles],
                    "line": {"width": 1, "color": [look.colour for look in styles]},
                },
                text=[_in_bar(name, seconds, longest, view) for _, (name, seconds) in rows],
                textposition="inside",
                insidetextanchor="middle",
                textfont={"color": theme.ink, "size": 12},
                hovertemplate="%{y}: %{x:.1f} s<extra></extra>",
                showlegend=False,
            )
        )
    for group, stages in bars:
        total = sum(seconds for _, seconds in stages)
        text = say("compare.seconds", view.language, n=f"{total:.0f}")
        chart.add_annotation(
            x=total,
            y=group.label,
            text=f"<b>{text}</b>",
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"color": theme.ink},
        )
    chart.update_layout(barmode="stack", bargap=0.3)
    chart.update_xaxes(range=[0, longest * 1.18], showgrid=False, showticklabels=False)
    chart.update_yaxes(showgrid=False, tickfont={"size": 12, "color": theme.ink})
    for group, _ in bars:
        chart.add_annotation(
            x=0, y=group.label, text=f"<b>{group.label}</b>", showarrow=False, xanchor="right", xshift=-8,
            font={"color": looks[group.label].colour, "size": 12},
        )  # fmt: skip
    chart.update_yaxes(showticklabels=False)
    return _plot(chart, view, ROW * len(bars) + 24, left=_left([group.label for group, _ in bars]), bottom=6, top=6)


def front(groups: Sequence[Group], view: View) -> PlotData | None:
    """Reward against KL from the start: a small mark a seed, a large one for their mean, the path between; and the front of the best."""
    import plotly.graph_objects as go

    chart, theme, looks = go.Figure(), THEMES[view.dark], looks_of(groups, view.dark)
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
    rewards = [y for trace in chart.data if trace.y is not None for y in trace.y]
    low, high = min(rewards), max(rewards)
    room = 0.1 * (high - low or 1.0)
    chart.update_yaxes(range=[low - room, high + room], nticks=6)
    furthest = max(x for trace in chart.data if trace.x is not None for x in trace.x)
    chart.update_xaxes(range=[-0.03 * furthest, furthest * 1.32])
    heights = _apart([y for _, _, y in names], low - room, high + room, CURVES_HEIGHT - TOP - BOTTOM, 20)
    for (label, x, y), height in zip(names, heights, strict=True):
        text = f"<b>{label}</b> {figure(y)}"
        chart.add_annotation(
            x=x, y=y, text=text, showarrow=False, xanchor="left", xshift=12, yshift=height,
            font={"color": looks[label].colour, "size": 12},
        )  # fmt: skip
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
    return _plot(chart, view, CURVES_HEIGHT)


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
    return _plot(chart, view, FOREST_ROW * len(rows) + 30, left=8, right=8, bottom=26, top=4)


FOREST_ROW = 40
"""The height of a row of the forest plot, and of the words beside it (``style.css``)."""


def pareto(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of ends (KL, reward), those that none beats by more reward at no more KL, by KL."""
    best: list[tuple[float, float]] = []
    for kl, reward in sorted(ends, key=lambda end: (end[0], -end[1])):
        if not best or reward > best[-1][1]:
            best.append((kl, reward))
    return best


# ---- parts


def _traces(group: Group, line: Line, look: Look, marked: bool, scale: float, view: View) -> list[Any]:
    import plotly.graph_objects as go

    band: list[Any] = []
    x = line.x.tolist()
    if line.banded:
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        band = [
            go.Scatter(x=x, y=(scale * line.low).tolist(), **edge),
            go.Scatter(x=x, y=(scale * line.high).tolist(), fill="tonexty", fillcolor=look.soft(0.16), **edge),
        ]
    mode = "lines+markers" if marked else "lines"
    main = go.Scatter(
        x=x,
        y=(scale * line.mean).tolist(),
        mode=mode,
        name=group.label,
        line={"color": look.colour, "dash": look.dash, "width": 2.5 if marked else 1.8},
        marker={"symbol": look.marker, "size": 8},
        hovertemplate=f"{group.label}: %{{y:.4g}}<br>%{{x:.4g}}<extra></extra>",
        showlegend=False,
    )
    return [*band, main]


def _waits(chart: Any, drawn: Sequence[tuple[Group, Line]], scale: float, view: View) -> None:
    """Where a policy waits for its reward model: a dotted line over the seconds in which nothing of it is learned."""
    import plotly.graph_objects as go

    theme = THEMES[view.dark]
    for group, line in drawn:
        waits = [stage.seconds for run in group.runs.values() for stage in run.chain if stage.algorithm == "rm"]
        known = [seconds for seconds in waits if seconds]
        if not known:
            continue
        seconds, start, level = fmean(known), float(line.x[0]), scale * float(line.mean[0])
        chart.add_trace(
            go.Scatter(
                x=[start - seconds, start], y=[level, level], mode="lines",
                line={"color": theme.warm, "dash": "dot", "width": 2}, hoverinfo="skip", showlegend=False,
            )
        )  # fmt: skip
        text = say("compare.waits", view.language, name=group.label, seconds=f"{seconds:.0f}")
        chart.add_annotation(
            x=start - seconds / 2,
            y=level,
            text=text,
            showarrow=False,
            yanchor="top",
            yshift=-4,
            font={"color": theme.warm, "size": 12},
        )
        return


def _end_labels(
    drawn: Sequence[tuple[Group, Line]],
    looks: dict[str, Look],
    ends: tuple[float, float],
    scale: float,
    view: View,
    unit: str,
) -> list[dict[str, Any]]:
    """A name, the last value and what it rests on, at the end of each line, pushed apart where they would touch."""
    last: dict[str, tuple[Group, Line]] = {}
    for group, line in drawn:
        if group.label not in last or line.x[-1] > last[group.label][1].x[-1]:
            last[group.label] = (group, line)
    chosen = sorted(last.values(), key=lambda each: float(each[1].mean[-1]))
    heights = [scale * float(line.mean[-1]) for _, line in chosen]
    shifts = _apart(heights, *ends, CURVES_HEIGHT - TOP - BOTTOM, LABEL_GAP if not view.narrow else 18)
    labels = []
    for (group, line), shift in zip(chosen, shifts, strict=True):
        value = scale * float(line.mean[-1])
        shown = f"{value:.1f}{unit}" if unit else f"{value:.3g}"
        text = f"<b>{group.label}  {shown}</b>".replace("-", "−")
        if not view.narrow and (rest := _rests(group, line, scale, view)):
            text += f"<br><span style='font-size:11px'>{rest}</span>"
        labels.append(
            {
                "x": float(line.x[-1]), "y": value, "text": text, "showarrow": False, "xanchor": "left", "align": "left",
                "xshift": 10, "yshift": shift, "font": {"color": looks[group.label].colour, "size": 13},
            }
        )  # fmt: skip
    return labels


def _rests(group: Group, line: Line, scale: float, view: View) -> str:
    """The interval over the seeds at the end; of one seed, that it is one."""
    if line.seeds < 2:
        return say("compare.one_seed", view.language)
    values = list(group.values().values())
    if scale == 1.0 or len(values) < 2:
        return say("compare.of_seeds", view.language, n=line.seeds)
    half = points(mean_t_interval(values).half)
    return say("compare.half_of_seeds", view.language, half=half, n=len(values))


def _apart(heights: Sequence[float], low: float, high: float, pixels: float, gap: float) -> list[float]:
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


def _in_bar(name: str, seconds: float, longest: float, view: View) -> str:
    """A stage's name and seconds where its part of the bar has room for them."""
    share = seconds / longest
    label = say(f"compared.stage.{name or 'unknown'}", view.language)
    if share > (0.3 if view.narrow else 0.13):
        return f"{label} {seconds:.0f}"
    return f"{seconds:.0f}" if share > 0.05 else ""


def _left(labels: Sequence[str]) -> int:
    """Pixels that the longest label takes; a Chinese character takes two letters' room."""
    widths = [sum(13 if ord(letter) > 0x2E7F else 7.4 for letter in label) for label in labels]
    return int(min(170, max(widths, default=0) + 18))


def _plot(
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
