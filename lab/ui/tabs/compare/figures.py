"""The figures of the Compare tab over time, in plotly: curves, and where the seconds go.

plotly is imported when the first figure is drawn, so that a page that never opens Compare does not load it. What Gradio draws is
plotly's own bundle in the browser; no figure asks another host. Not here: where
chains end (``ends.py``), which numbers (``lines.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gradio.components.plot import PlotData

from lab.compare.phrases import points
from lab.compare.report.charts import stage_means
from lab.compare.verdict import Group
from lab.core.intervals import mean_t_interval
from lab.ui.tabs.compare.drawing import BOTTOM, CURVES_HEIGHT, TOP, View, apart, framed
from lab.ui.tabs.compare.lines import HELD_OUT, Line, lines_of, span
from lab.ui.tabs.compare.looks import THEMES, Look, look_of, looks_of
from lab.words import say

SHARES = frozenset({"pass_at_1", "pair_accuracy", "agreement"})
LABEL_GAP = 34
ROW = 34


def curves(groups: Sequence[Group], name: str, axis: str, view: View) -> PlotData | None:
    """One curve of every group over an axis (``step``, ``seconds``, ``tokens``, ``kl``), each named at its end; None where none has it."""
    import plotly.graph_objects as go

    looks, scale = looks_of(groups, view.dark), 100.0 if name in SHARES else 1.0
    drawn = [(group, line) for group in groups for line in lines_of(group, name, axis)]
    if not drawn:
        return None
    chart = go.Figure()
    for group, line in drawn:
        for trace in _traces(group, line, looks[group.label], name in HELD_OUT, scale):
            chart.add_trace(trace)
    if axis == "seconds" and name in HELD_OUT and not view.narrow:  # a narrow one has no room for the words
        _waits(chart, drawn, scale, view)
    low, high = (scale * end for end in span([line for _, line in drawn]))
    unit = " %" if name in SHARES else ""
    chart.update_yaxes(range=[low, high], ticksuffix=unit, nticks=6)
    title = say(f"compare.axis_title.{axis}", view.language)
    furthest = max(float(line.x[-1]) for _, line in drawn)
    room = 1.6 if view.narrow else 1.24
    start = min(0.0, min(float(line.x[0]) for _, line in drawn))
    chart.update_xaxes(range=[start - 0.01 * furthest, furthest * room or 1.0], title={"text": title, "standoff": 6})
    for label in _end_labels(drawn, looks, (low, high), scale, view, unit):
        chart.add_annotation(**label)
    return framed(chart, view, CURVES_HEIGHT)


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
    chart.update_xaxes(range=[0, longest * (1.35 if view.narrow else 1.18)], showgrid=False, showticklabels=False)
    chart.update_yaxes(showgrid=False, tickfont={"size": 12, "color": theme.ink})
    for group, _ in bars:
        chart.add_annotation(
            x=0, y=group.label, text=f"<b>{group.label}</b>", showarrow=False, xanchor="right", xshift=-8,
            font={"color": looks[group.label].colour, "size": 12},
        )  # fmt: skip
    chart.update_yaxes(showticklabels=False)
    return framed(chart, view, ROW * len(bars) + 24, left=_left([group.label for group, _ in bars]), bottom=6, top=6)


# ---- parts


def _traces(group: Group, line: Line, look: Look, marked: bool, scale: float) -> list[Any]:
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
            x=start,
            y=level,
            text=text,
            showarrow=False,
            xanchor="right",
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
    shifts = apart(heights, *ends, CURVES_HEIGHT - TOP - BOTTOM, LABEL_GAP if not view.narrow else 18)
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
                "xshift": 10, "yshift": shift, "font": {"color": looks[group.label].colour, "size": 13}, "bgcolor": THEMES[view.dark].veil,
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
