"""Puts the report together: verdict, curves, where the seconds went, tables, what the differences rest on, groups, runs.

Both languages stand in the page, and a style rule shows one of them. Not here: the drawings (``charts.py``), the cards (``groups.py``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lab.compare.phrases import Phrase, figure, in_both, points
from lab.compare.report import charts
from lab.compare.report.groups import ShownGroup, sample_of_groups
from lab.compare.runs import ComparedRun, Measured, Shelf
from lab.compare.tables import course_tables, differing
from lab.compare.verdict import Group, differences, groups_of, policies, rests_on, verdict
from lab.core.intervals import FEW
from lab.core.studies import Study
from lab.words import LOCALES, say

HERE = Path(__file__).parent
AXES = ("seconds", "step", "tokens", "kl")
TRAINING_CHARTS = ("train_reward", "kl", "length", "entropy")
RUNS_WITH_GROUPS = 24
HEADINGS = {"pass_at_1": "pass", "reward": "front"}
"""The headings of the first two drawings, by the curve; others have ``curve-NAME``."""
NARROW, MIDDLE = 430, 540
"""Widths of drawings, in pixels."""


@dataclass(frozen=True)
class Source:
    """Where a report's runs come from, and what is said of them at its top."""

    shelf: Shelf
    title: Phrase
    about: Phrase | None = None
    command: str = ""
    """What makes it again."""
    recorded: bool = False
    machine: str = ""
    labels: Mapping[str, Phrase] = field(default_factory=dict)
    """What a study calls its entries, by name."""


def labels_of(study: Study) -> dict[str, Phrase]:
    """What a study calls its entries in both languages, by name."""
    return {entry.name: in_both(entry.label.en, entry.label.zh) for entry in study.entries}


def report_html(runs: Sequence[ComparedRun], source: Source, *, locale: str = "en") -> str:
    """The whole page as one HTML text; it names no other file and no other host. It opens in the language ``locale``."""
    groups = groups_of(runs)
    writers = policies(groups)
    tables = course_tables(runs)
    differ, cells = differing(tables)
    chinese = _chinese(runs, source.labels)
    page = _environment(chinese).get_template("page.html")
    return page.render(
        source=source,
        locale=locale,
        made=time.strftime("%Y-%m-%d", time.localtime(max((_ended(source, run) for run in runs), default=0))),
        style=Markup((HERE / "style.css").read_text("utf-8")),
        verdict=verdict(runs),
        rests_on=rests_on(runs),
        axes=[(axis, _curve(writers, "pass_at_1", axis, chinese, percent=True)) for axis in AXES],
        front=_curve(writers, "reward", "kl", chinese, width=NARROW),
        training=[
            (name, drawn)
            for name in TRAINING_CHARTS
            if (drawn := _curve(writers, name, "step", chinese, marked=False, width=MIDDLE))
        ],
        bars=charts.seconds_bars(
            [(g.label, g.algorithm, stages) for g in writers if (stages := charts.stage_means(g))], chinese
        ),
        stages=sorted({name for group in writers for name, _ in charts.stage_means(group)}),
        tables=[table for table in tables if table.rows],
        differ=differ,
        cells=cells,
        differences=differences(writers),
        forest=charts.forest(differences(writers), chinese),
        runs=runs,
        groups=_groups_of_runs(source.shelf, runs),
        looked_at=RUNS_WITH_GROUPS if len(runs) > RUNS_WITH_GROUPS else 0,
        few=FEW,
    )


def _curve(
    groups: Sequence[Group],
    name: str,
    axis: str,
    chinese: Mapping[str, str],
    *,
    percent: bool = False,
    marked: bool = True,
    width: int = charts.WIDTH,
) -> Markup:
    numbers = charts.variants(groups)
    lines = [charts.line_of(group, name, axis, numbers[group.label], chinese, marked=marked) for group in groups]
    return charts.line_chart(
        [line for line in lines if line is not None],
        percent=percent,
        heading=HEADINGS.get(name, f"curve-{name}"),
        width=width,
    )


def _groups_of_runs(shelf: Shelf, runs: Sequence[ComparedRun]) -> list[tuple[ComparedRun, list[ShownGroup]]]:
    """The sampled groups of each run that has any; of the first runs only, which the page says where there are more."""
    sampled = [(run, sample_of_groups(shelf.folder(run.run), run)) for run in runs[:RUNS_WITH_GROUPS]]
    return [(run, shown) for run, shown in sampled if shown]


def _ended(source: Source, run: ComparedRun) -> float:
    stored = source.shelf.run(run.run)
    return stored.ended or stored.created


def _chinese(runs: Sequence[ComparedRun], labels: Mapping[str, Phrase]) -> dict[str, str]:
    """What runs and groups are called in Chinese, by the label that they have here."""
    there = [replace(run, label=labels[run.entry].say("zh")) if run.entry in labels else run for run in runs]
    names = {run.label: other.label for run, other in zip(runs, there, strict=True)}
    return names | {one.label: other.label for one, other in zip(groups_of(runs), groups_of(there), strict=True)}


def _environment(chinese: Mapping[str, str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "t": partial(_both, chinese),
        "label": lambda label: _in_both((label, chinese.get(label, label))),
        "share": _share,
        "number": _number,
        "megabytes": lambda n: f"{n / 1e6:.0f}" if n else "–",
    }
    return environment


def _both(chinese: Mapping[str, str], what: Phrase | str, **params: Any) -> Markup:
    """A sentence in both languages, of which the page shows one; groups are called in Chinese as ``chinese`` says."""
    phrase = what if isinstance(what, Phrase) else Phrase(what, params)
    return _in_both((phrase.say("en"), _renamed(phrase, chinese).say("zh")))


def _in_both(words: tuple[str, str]) -> Markup:
    if words[0] == words[1]:
        return escape(words[0])
    return Markup("").join(
        Markup('<span class="in-{0}" lang="{0}">{1}</span>').format(*each) for each in zip(LOCALES, words, strict=True)
    )


def _renamed(phrase: Phrase, names: Mapping[str, str]) -> Phrase:
    """The phrase, its parameters that are a key of ``names`` replaced, those of phrases within it too."""

    def other(value: Any) -> Any:
        if isinstance(value, Phrase):
            return _renamed(value, names)
        if isinstance(value, (list, tuple)):
            return [other(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    return Phrase(phrase.key, {name: other(value) for name, value in phrase.params.items()})


def _share(measured: Measured | None) -> Markup:
    """A share with its n and interval; grey, with the reason, where it rests on few."""
    if measured is None:
        return Markup("–")
    value = Markup("<b>{} %</b>").format(points(measured.value))
    if measured.low is None or measured.high is None:
        return value
    rest = Markup(" <small>{} – {} · n = {}</small>").format(points(measured.low), points(measured.high), measured.n)
    if measured.n < FEW:
        said = {locale: say("report.few", locale, n=measured.n, least=FEW) for locale in LOCALES}
        rest += Markup(" ").join(
            [Markup('<small class="in-{0}" lang="{0}">{1}</small>').format(*each) for each in said.items()]
        )
        return Markup('<span class="few">{}</span>').format(value + rest)
    return value + rest


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else figure(value, digits)
