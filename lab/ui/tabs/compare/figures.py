"""The figures of the Compare tab over time, in plotly: curves, and where the seconds go.

What Gradio draws is plotly's own bundle in the browser; no figure asks another host. Not here: where chains end (``ends.py``), which
numbers (``lines.py``), plotly itself (``drawing.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from gradio.components.plot import PlotData

from lab.compare.phrases import points
from lab.compare.report.charts import stage_means
from lab.compare.verdict import Group
from lab.core.intervals import mean_t_interval
from lab.ui.tabs.compare.drawing import BOTTOM, CURVES_HEIGHT, TOP, Chart, View, apart, axis_title
from lab.ui.tabs.compare.lines import HELD_OUT, Line, lines_of, span
from lab.ui.tabs.compare.looks import Look, look_of, looks_of
from lab.words import say

SHARES = frozenset({"pass_at_1", "pair_accuracy", "agreement"})
LABEL_GAP = 34
ROW = 34


def curves(groups: Sequence[Group], name: str, axis: str, view: View) -> PlotData | None:
    """One curve of every group over an axis (``step``, ``seconds``, ``tokens``, ``kl``), each named at its end; None where none has it."""
    looks, scale = looks_of(groups, view.dark), 100.0 if name in SHARES else 1.0
    drawn = [(group, line) for group in groups for line in lines_of(group, name, axis)]
    if not drawn:
        return None
    chart = Chart(view)
    for group, line in drawn:
        _line(chart, group, line, looks[group.label], name in HELD_OUT, scale)
    if axis == "seconds" and name in HELD_OUT and not view.narrow:  # a narrow one has no room for the words
        _waits(chart, drawn, scale)
    low, high = (scale * end for end in span([line for _, line in drawn]))
    unit = " %" if name in SHARES else ""
    chart.y_axis = {"range": [low, high], "ticksuffix": unit, "nticks": 6}
    furthest = max(float(line.x[-1]) for _, line in drawn)
    room = 1.6 if view.narrow else 1.24
    start = min(0.0, min(float(line.x[0]) for _, line in drawn))
    title = axis_title(say(f"compare.axis_title.{axis}", view.language))
    chart.x_axis = {"range": [start - 0.01 * furthest, furthest * room or 1.0], "title": title}
    _end_labels(chart, drawn, looks, (low, high), scale, unit)
    return chart.framed(CURVES_HEIGHT)


def seconds(groups: Sequence[Group], view: View) -> PlotData | None:
    """One bar a group: the seconds of each stage of its chain, one after the other; None where they are not known."""
    bars = [(group, stages) for group in groups if (stages := stage_means(group))]
    if not bars:
        return None
    bars.sort(key=lambda bar: -sum(seconds for _, seconds in bar[1]))
    chart, looks = Chart(view), looks_of(groups, view.dark)
    longest = max(sum(seconds for _, seconds in stages) for _, stages in bars)
    for place in range(max(len(stages) for _, stages in bars)):
        rows = [(group, stages[place]) for group, stages in bars if place < len(stages)]
        styles = [look_of(name, 0, view.dark) for _, (name, _) in rows]
        chart.traces.append(
            {
                "type": "bar",
                "y": [group.label for group, _ in rows],
                "x": [seconds for _, (_, seconds) in rows],
                "orientation": "h",
                "marker": {
                    "color": [look.soft(0.22) for look in styles],
                    "line": {"width": 1, "color": [look.colour for look in styles]},
                },
                "text": [_in_bar(name, seconds, longest, view) for _, (name, seconds) in rows],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textfont": {"color": chart.theme.ink, "size": 12},
                "hovertemplate": "%{y}: %{x:.1f} s<extra></extra>",
                "showlegend": False,
            }
        )
    for group, stages in bars:
        total = sum(seconds for _, seconds in stages)
        text = say("compare.seconds", view.language, n=f"{total:.0f}")
        chart.label(f"<b>{text}</b>", x=total, y=group.label, xanchor="left", xshift=6, font={"color": chart.theme.ink})
        chart.label(
            f"<b>{group.label}</b>", x=0, y=group.label, xanchor="right", xshift=-8,
            font={"color": looks[group.label].colour, "size": 12},
        )  # fmt: skip
    chart.layout = {"barmode": "stack", "bargap": 0.3}
    reach = longest * (1.35 if view.narrow else 1.18)
    chart.x_axis = {"range": [0, reach], "showgrid": False, "showticklabels": False}
    chart.y_axis = {"showgrid": False, "showticklabels": False}
    return chart.framed(ROW * len(bars) + 24, left=_left([group.label for group, _ in bars]), bottom=6, top=6)


# ---- parts


def _line(chart: Chart, group: Group, line: Line, look: Look, marked: bool, scale: float) -> None:
    """A curve; of several seeds with the range of their values behind it."""
    if line.banded:
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        chart.scatter(line.x, scale * line.low, **edge)
        chart.scatter(line.x, scale * line.high, fill="tonexty", fillcolor=look.soft(0.16), **edge)
    chart.scatter(
        line.x,
        scale * line.mean,
        mode="lines+markers" if marked else "lines",
        name=group.label,
        line={"color": look.colour, "dash": look.dash, "width": 2.5 if marked else 1.8},
        marker={"symbol": look.marker, "size": 8},
        hovertemplate=f"{group.label}: %{{y:.4g}}<br>%{{x:.4g}}<extra></extra>",
    )


def _waits(chart: Chart, drawn: Sequence[tuple[Group, Line]], scale: float) -> None:
    """Where a policy waits for its reward model: a dotted line over the seconds in which nothing of it is learned."""
    warm = chart.theme.warm
    for group, line in drawn:
        waits = [stage.seconds for run in group.runs.values() for stage in run.chain if stage.is_reward_model]
        known = [seconds for seconds in waits if seconds]
        if not known:
            continue
        seconds, start, level = fmean(known), float(line.x[0]), scale * float(line.mean[0])
        style = {"color": warm, "dash": "dot", "width": 2}
        chart.scatter([start - seconds, start], [level, level], mode="lines", line=style, hoverinfo="skip")
        text = say("compare.waits", chart.view.language, name=group.label, seconds=f"{seconds:.0f}")
        chart.label(text, x=start, y=level, xanchor="right", yanchor="top", yshift=-4, font={"color": warm, "size": 12})
        return


def _end_labels(
    chart: Chart,
    drawn: Sequence[tuple[Group, Line]],
    looks: dict[str, Look],
    ends: tuple[float, float],
    scale: float,
    unit: str,
) -> None:
    """A name, the last value and what it rests on, at the end of each line, pushed apart where they would touch."""
    view = chart.view
    last: dict[str, tuple[Group, Line]] = {}
    for group, line in drawn:
        if group.label not in last or line.x[-1] > last[group.label][1].x[-1]:
            last[group.label] = (group, line)
    chosen = sorted(last.values(), key=lambda each: float(each[1].mean[-1]))
    heights = [scale * float(line.mean[-1]) for _, line in chosen]
    shifts = apart(heights, *ends, CURVES_HEIGHT - TOP - BOTTOM, LABEL_GAP if not view.narrow else 18)
    for (group, line), shift in zip(chosen, shifts, strict=True):
        value = scale * float(line.mean[-1])
        shown = f"{value:.1f}{unit}" if unit else f"{value:.3g}"
        text = f"<b>{group.label}  {shown}</b>".replace("-", "−")
        if not view.narrow and (rest := _rests(group, line, scale, view)):
            text += f"<br><span style='font-size:11px'>{rest}</span>"
        chart.label(
            text, x=float(line.x[-1]), y=value, xanchor="left", align="left", xshift=10, yshift=shift,
            font={"color": looks[group.label].colour, "size": 13}, bgcolor=chart.theme.veil,
        )  # fmt: skip


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
