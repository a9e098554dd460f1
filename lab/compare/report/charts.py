"""The report's charts as inline SVG: curves of groups with their seeds as a band, bars of seconds, differences with intervals.

An algorithm is a colour, a dash and a marker, and is named at the end of its line; colours are the page's style rules (``style.css``),
so that one drawing serves both themes. Labels stand in it in both languages. Not here: other words,
which stand around the drawings (``page.html``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from lab.compare.curves import Curve
from lab.compare.phrases import MINUS
from lab.compare.verdict import Difference, Group
from lab.words import LOCALES, say

WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 46, 150, 14, 30
MOST_POINTS = 160
"""Of a line of training metrics; more are averaged."""
LABEL_GAP = 15
DASHES = {"sft": "2 4", "dpo": "9 3 2 3", "ppo": "7 4", "grpo": "", "pretrain": "1 3", "rm": "3 3"}
VARIANT_DASHES = ("", "12 3", "4 2", "14 3 3 3")
"""Of several groups of one algorithm, one after the other."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One group's curve: means over its seeds and their range, at the same steps."""

    label: str
    chinese: str
    algorithm: str
    variant: int
    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    marked: bool


def line_of(
    group: Group, name: str, axis: str, variant: int, chinese: Mapping[str, str], *, marked: bool = True
) -> Line | None:
    """The curve ``name`` of a group over an axis (``step``, ``seconds``, ``tokens``, ``kl``); None where no run has it. ``chinese`` is what
    groups are called in Chinese, by label."""
    curves = [curve for run in group.runs.values() if (curve := run.curves.get(name)) is not None]
    if not curves:
        return None
    rows = _by_step(curves, axis)
    if len(rows) == 0:
        return None
    if axis == "kl":
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
    x, mean, low, high = rows.T
    return Line(
        group.label, chinese.get(group.label, group.label), group.algorithm, variant, x, mean, low, high, marked
    )


def _by_step(curves: Sequence[Curve], axis: str) -> Floats:
    """Rows of (axis, mean, low, high), one a step that every curve has; thinned by averaging neighbours."""
    at = [
        {float(s): (x, v) for s, x, v in zip(c.step, c.axis(axis), c.value, strict=True) if math.isfinite(x + v)}
        for c in curves
    ]
    steps = sorted(set.intersection(*(set(each) for each in at)))
    rows = []
    for step in steps:
        values = [each[step][1] for each in at]
        rows.append((float(np.mean([each[step][0] for each in at])), float(np.mean(values)), min(values), max(values)))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    if len(table) <= MOST_POINTS:
        return table
    return np.array([part.mean(axis=0) for part in np.array_split(table, MOST_POINTS)])


@dataclass(frozen=True)
class Scale:
    """From values to places along one side of a drawing."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values between the ends."""
        raw = (self.high - self.low) / about
        if raw <= 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
        first = math.ceil(self.low / step)
        return [step * k for k in range(first, math.floor(self.high / step) + 1)]


def line_chart(lines: Sequence[Line], *, percent: bool = False, heading: str = "", width: int = WIDTH) -> Markup:
    """Curves over one axis, each named at its end. ``percent``: values are shares of 0 to 1; ``width`` of the drawing in pixels; ``heading``
    is the id of the heading that names it."""
    if not lines:
        return Markup("")
    xs, ys = np.concatenate([line.x for line in lines]), np.concatenate([[*line.low, *line.high] for line in lines])
    pad = 0.04 * (float(ys.max() - ys.min()) or abs(float(ys.max())) or 1.0)
    x = Scale(float(xs.min()), float(xs.max()), LEFT, width - RIGHT)
    y = Scale(float(ys.min()) - pad, float(ys.max()) + pad, HEIGHT - BOTTOM, TOP)
    parts = [
        _grid(x, y, percent=percent),
        *(_band(line, x, y) for line in lines),
        *(_path(line, x, y, percent) for line in lines),
    ]
    ends = _apart([(y.at(float(line.mean[-1])), line) for line in lines])
    for place, line in ends:
        left = x.at(float(line.x[-1])) + 10
        value = _value(float(line.mean[-1]), percent)
        words = f"{line.label} {value}", f"{line.chinese} {value}"
        parts.append(_words(min(left, width - RIGHT + 10), place + 4, words, f"end c-{line.algorithm}"))
    return _svg(parts, heading, width=width)


def seconds_bars(bars: Sequence[tuple[str, str, Sequence[tuple[str, float]]]], chinese: Mapping[str, str]) -> Markup:
    """One bar a group: (label, algorithm, [(algorithm of the stage, seconds)…]), all on one scale; ``chinese`` as in ``line_of``."""
    longest = max((sum(seconds for _, seconds in stages) for _, _, stages in bars), default=0.0) or 1.0
    height = 26 * len(bars) + 6
    x = Scale(0, longest, 120, WIDTH - 70)
    parts = []
    for row, (label, algorithm, stages) in enumerate(bars):
        top, done = 4 + 26 * row, 0.0
        words = label, chinese.get(label, label)
        parts.append(_words(112, top + 14, words, f"name c-{algorithm}", anchor="end"))
        for name, seconds in stages:
            left, right = x.at(done), x.at(done + seconds)
            parts.append(
                Markup('<rect class="bar c-{}" x="{:.1f}" y="{}" width="{:.1f}" height="18" rx="3"/>').format(
                    name, left, top, max(1.0, right - left - 1)
                )
            )
            if right - left > 30:
                parts.append(_text((left + right) / 2, top + 13, f"{seconds:.0f}", "in-bar", anchor="middle"))
            done += seconds
        total = tuple(say("report.seconds_total", locale, seconds=done) for locale in LOCALES)
        parts.append(_words(x.at(done) + 6, top + 14, total, "total"))
    return _svg(parts, "seconds", height)


def forest(differences: Sequence[Difference], chinese: Mapping[str, str]) -> Markup:
    """Differences of pass@1 in points with their intervals around zero; an unbounded one runs to the edge. ``chinese`` as in ``line_of``."""
    shown = [(d, d.interval) for d in differences if d.interval is not None]
    if not shown:
        return Markup("")
    bounded = [value for _, i in shown for value in (i.low, i.high, i.mean) if math.isfinite(value)]
    reach = 1.08 * max(0.01, *(abs(value) for value in bounded))
    x, height = Scale(-reach, reach, 250, WIDTH - 16), 30 * len(shown) + 30
    parts = [Markup('<line class="zero" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1}"/>').format(x.at(0), height - 24)]
    parts += [_text(x.at(tick), height - 8, _signed(tick), "tick", anchor="middle") for tick in x.ticks(6)]
    for row, (each, interval) in enumerate(shown):
        place = 16 + 30 * row
        low, high = (x.at(min(max(value, -reach), reach)) for value in (interval.low, interval.high))
        kind = "sure" if interval.excludes_zero else "unsure"
        labels = each.one.label, each.other.label
        words = f" {MINUS} ".join(labels), f" {MINUS} ".join(chinese.get(label, label) for label in labels)
        parts.append(_words(0, place + 4, words, "name"))
        parts.append(_text(238, place + 4, _signed(interval.mean), "total", anchor="end"))
        parts.append(
            Markup('<line class="interval {}" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
                kind, low, high, y=place
            )
        )
        parts.append(
            Markup('<circle class="mean {}" cx="{:.1f}" cy="{}" r="5"/>').format(kind, x.at(interval.mean), place)
        )
    return _svg(parts, "rest", height)


def variants(groups: Sequence[Group]) -> dict[str, int]:
    """How many groups of the same algorithm come before each, by its label."""
    seen: dict[str, int] = {}
    numbers = {}
    for group in groups:
        numbers[group.label] = seen.get(group.algorithm, 0)
        seen[group.algorithm] = numbers[group.label] + 1
    return numbers


# ---- parts of a drawing


def _grid(x: Scale, y: Scale, *, percent: bool) -> Markup:
    parts = []
    for tick in y.ticks():
        place = y.at(tick)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, x.end, y=place)
        )
        parts.append(_text(LEFT - 6, place + 4, _value(tick, percent, short=True), "tick", anchor="end"))
    for tick in x.ticks(6 if x.end > 400 else 3):
        parts.append(_text(x.at(tick), HEIGHT - 8, _short(tick), "tick", anchor="middle"))
    parts.append(
        Markup('<line class="axis" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(LEFT, x.end, y=HEIGHT - BOTTOM)
    )
    return Markup("").join(parts)


def _band(line: Line, x: Scale, y: Scale) -> Markup:
    if len(line.x) < 2 or np.allclose(line.low, line.high):
        return Markup("")
    forth = [f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in zip(line.x, line.high, strict=True)]
    back = [f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in zip(line.x, line.low, strict=True)][::-1]
    return Markup('<polygon class="band c-{}" points="{}"/>').format(line.algorithm, " ".join([*forth, *back]))


def _path(line: Line, x: Scale, y: Scale, percent: bool) -> Markup:
    points = [(x.at(a), y.at(b)) for a, b in zip(line.x, line.mean, strict=True)]
    dash = VARIANT_DASHES[line.variant % len(VARIANT_DASHES)] if line.variant else DASHES.get(line.algorithm, "")
    path = " ".join(f"{'L' if place else 'M'}{a:.1f} {b:.1f}" for place, (a, b) in enumerate(points))
    drawn = Markup('<path class="line c-{}" stroke-dasharray="{}" d="{}"/>').format(line.algorithm, dash, path)
    if not line.marked:
        return drawn
    values = zip(points, line.x, line.mean, line.low, line.high, strict=True)
    return drawn + Markup("").join(
        _marker(line, a, b, at, (mean, low, high), percent) for (a, b), at, mean, low, high in values
    )


def _marker(line: Line, a: float, b: float, at: float, spread: tuple[float, float, float], percent: bool) -> Markup:
    """A point with its numbers as its title, once for each language that calls the line otherwise: a circle, square, triangle or diamond."""
    mean, low, high = (_value(float(value), percent) for value in spread)
    shapes = {
        "ppo": f"M{a - 4:.1f} {b - 4:.1f}h8v8h-8z",
        "dpo": f"M{a:.1f} {b - 5:.1f}l5 9h-10z",
        "sft": f"M{a:.1f} {b - 5:.1f}l5 5l-5 5l-5 -5z",
    }
    circle = f"M{a - 4:.1f} {b:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"
    shape = shapes.get(line.algorithm, circle)
    return Markup("").join(
        Markup('<path class="mark c-{}{}" d="{}"><title>{}: {} ({} – {}) · {}</title></path>').format(
            line.algorithm, kind, shape, words, mean, low, high, _short(float(at))
        )
        for kind, words in _by_language((line.label, line.chinese))
    )


def _apart(ends: list[tuple[float, Line]]) -> list[tuple[float, Line]]:
    """The heights of the labels, pushed apart where they would lie on each other."""
    placed: list[tuple[float, Line]] = []
    for place, line in sorted(ends, key=lambda end: end[0]):
        least = placed[-1][0] + LABEL_GAP if placed else place
        placed.append((max(place, least), line))
    over = placed[-1][0] - (HEIGHT - BOTTOM) if placed else 0.0
    return [(place - max(0.0, over), line) for place, line in placed]


def _text(x: float, y: float, text: str, kind: str, *, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, escape(text)
    )


def _words(x: float, y: float, words: Sequence[str], kind: str, *, anchor: str = "start") -> Markup:
    """A text in English and in Chinese, of which the page shows one."""
    return Markup("").join(_text(x, y, text, kind + shown, anchor=anchor) for shown, text in _by_language(words))


def _by_language(words: Sequence[str]) -> list[tuple[str, str]]:
    """The classes and the text of each language; one of both where they are the same."""
    if len(set(words)) == 1:
        return [("", words[0])]
    return [(f" in-{locale}", text) for locale, text in zip(LOCALES, words, strict=True)]


def _svg(parts: Sequence[Markup], heading: str, height: int = HEIGHT, width: int = WIDTH) -> Markup:
    label = Markup(' role="img" aria-labelledby="{}"').format(heading)
    return Markup('<svg viewBox="0 0 {0} {1}" style="max-width:{0}px"{2}>{3}</svg>').format(
        width, height, label, Markup("").join(parts)
    )


def _value(value: float, percent: bool, *, short: bool = False) -> str:
    text = f"{100 * value:.0f} %" if percent and short else f"{100 * value:.1f} %" if percent else f"{value:.3g}"
    return text.replace("-", MINUS)


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (unit == "M" and abs(value) >= size):
            return f"{value / size:g}{unit}" if value % size == 0 else f"{value / size:.1f}{unit}"
    return f"{value:.4g}".replace("-", MINUS)


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", MINUS)


def stage_means(group: Group) -> list[tuple[str, float]]:
    """The algorithm and the mean seconds of each stage of a group's chain, this one last; empty where one is not known."""
    chains = [
        [*((s.algorithm, s.seconds) for s in run.chain), (run.algorithm, run.seconds)] for run in group.runs.values()
    ]
    if (
        not chains
        or any(seconds is None for chain in chains for _, seconds in chain)
        or len({len(c) for c in chains}) > 1
    ):
        return []
    means: Mapping[int, float] = {
        place: float(np.mean([chain[place][1] or 0.0 for chain in chains])) for place in range(len(chains[0]))
    }
    return [(name, means[place]) for place, (name, _) in enumerate(chains[0])]
