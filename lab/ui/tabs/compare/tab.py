"""The Compare tab: what is compared, the verdict, the curves, the course's tables, and what the differences rest on.

Nothing is read, and neither plotly nor pandas loaded, before the tab is first looked at. A study that runs is watched live: the page's
event stream says when to look again. Not here: the same question for every algorithm (``question.py``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from lab.compare.selection import MOST_RUNS, Selected, Selection, Selections, entry_of, parse_selection
from lab.compare.tables import course_tables
from lab.compare.verdict import Group, differences, groups_of, policies
from lab.core.access import Access, requires
from lab.errors import LabError
from lab.runs.changes import Topic
from lab.runs.supervisor import Supervisor
from lab.store.run_titles import run_titles
from lab.store.runs import Store
from lab.ui.handlers import LIGHT, READING, SLOW, Updates, error_notice
from lab.ui.late_choices import LateCheckboxGroup, LateRadio
from lab.ui.notice import quiet
from lab.ui.presets import Presets
from lab.ui.tabs.compare import shown
from lab.ui.tabs.compare.looks import looks_of
from lab.ui.tabs.compare.question import Question
from lab.words import say
from lab.words.sentences import language_of

AXES = ("step", "seconds", "tokens", "kl")
CURVES = ("pass_at_1", "reward", "kl_from_start", "train_reward", "kl", "length", "entropy", "loss")
ALL = "all"
STARTS = ("sft", "pretrain")
SCRIPT = Path(__file__).with_name("tab.js").read_text("utf-8")
STYLE = Path(__file__).with_name("style.css").read_text("utf-8")
VIEW = """(...values) => [...values.slice(0, -1), JSON.stringify({
  dark: document.body.classList.contains("dark"), narrow: window.innerWidth < 700,
  of: new URLSearchParams(location.search).get("of"), runs: new URLSearchParams(location.search).get("runs") })]"""
"""Every request says how the page looks, for the figures are drawn for it, and what its address names (``?tab=compare&of=runs:&runs=ID,ID``)."""
CURVES_TOO = f"(...values) => {{ window.labCompare.wanted = values.slice(4, 6); return ({VIEW})(...values); }}"
"""The same, of the choice and of the axis and the curve, which the page keeps: the last ones that were asked for are the ones to be shown."""


class CompareTab:
    """Draws the tab where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n) -> None:
        self.store, self.supervisor, self.i18n = store, supervisor, i18n
        self.selections = Selections(store)
        with gr.Column(elem_id="compare"):
            self._draw_chooser()
            self.cut = gr.HTML(elem_id="compare-left-out")
            self.message = gr.HTML(elem_id="compare-message")
            with gr.Column(visible=False) as self.body:
                self._draw_figures()
                self.question = Question(store, supervisor, presets, i18n, self.selections)
                self.tables = gr.HTML(elem_id="course-tables")
                self._draw_rests()
        self.live = gr.HTML("{}", html_template="<i></i>", js_on_load=SCRIPT, elem_id="compare-live")

    # ---- the look of it

    def _draw_chooser(self) -> None:
        label = {axis: self.i18n(f"compare.axis_name.{axis}") for axis in AXES}
        with gr.Column(elem_id="compare-chooser"):
            with gr.Row(elem_classes="compare-row"):
                self.study = gr.Dropdown(
                    [], label=self.i18n("compare.study"), elem_id="compare-study", interactive=True
                )
                self.runs = gr.Dropdown(
                    [], multiselect=True, max_choices=MOST_RUNS, label=self.i18n("compare.runs"), elem_id="compare-runs",
                    visible=False, interactive=True,
                )  # fmt: skip
                self.seeds = LateRadio(
                    [], label=self.i18n("compare.seeds"), elem_id="compare-seeds", elem_classes="pills"
                )
                self.wall = gr.Button(self.i18n("compare.wall"), size="sm", min_width=90, elem_id="compare-wall")
            with gr.Row(elem_classes="compare-row"):
                self.entries = LateCheckboxGroup(
                    [], label=self.i18n("compare.entries"), elem_id="compare-entries", elem_classes="pills"
                )
                self.measure = gr.Dropdown(
                    [(self.i18n(f"compare.curve.{name}"), name) for name in CURVES], value="pass_at_1",
                    label=self.i18n("compare.measure"), elem_id="compare-measure", interactive=True, filterable=False,
                )  # fmt: skip
                self.axis = gr.Radio(
                    [(label[axis], axis) for axis in AXES], value="seconds", label=self.i18n("compare.axis"),
                    elem_id="compare-axis", elem_classes="pills",
                )  # fmt: skip
            self.origin = gr.HTML(self.i18n("compare.reading"), elem_id="compare-origin")

    def _draw_figures(self) -> None:
        self.verdict = gr.HTML(elem_id="compare-verdict")
        with gr.Row(elem_id="compare-figures"):
            with gr.Column(scale=7, min_width=320, elem_classes="card"):
                self.curve_title = gr.HTML()
                self.curves = gr.Plot(show_label=False, elem_id="compare-curves")
                self.seconds_title = gr.HTML()
                self.seconds = gr.Plot(show_label=False, elem_id="compare-seconds")
                self.curve_note = gr.HTML()
            with gr.Column(scale=4, min_width=300, elem_classes="card"):
                self.front_title = gr.HTML()
                self.front = gr.Plot(show_label=False, elem_id="compare-front")
                self.front_note = gr.HTML()

    def _draw_rests(self) -> None:
        self.rests_title = gr.HTML()
        with gr.Column(elem_id="compare-rests", elem_classes="card"):
            with gr.Row(elem_classes="rests"):
                with gr.Column(scale=4, min_width=260):
                    self.rests_words = gr.HTML(elem_id="rests-words")
                with gr.Column(scale=5, min_width=240):
                    self.forest = gr.Plot(show_label=False, elem_id="compare-forest")
            self.exports = gr.HTML(elem_id="compare-exports")

    # ---- events

    def wire(self, tabs: gr.Tabs, listed: gr.HTML) -> None:
        """Connect the events; ``listed`` is the list of runs, whose ticked runs can be sent here."""
        self.tabs = tabs
        listed.input(self.opened_from, None, [tabs, self.study, self.runs, self.cut], **LIGHT)
        gr.on(
            [self.study.input, self.runs.input], None, None, [self.cut], js="() => ''"
        )  # chosen by hand: nothing is left out
        inputs = [self.study, self.runs, self.seeds, self.entries, self.axis, self.measure, self.live]
        whole: dict[str, Any] = {"js": CURVES_TOO, "trigger_mode": "always_last"}
        reading: dict[str, Any] = {**whole, **SLOW, "show_progress_on": self.origin}
        self.live.select(self.looked, inputs, self.everything, **whole, **READING)  # a watched study does not blink
        self.study.input(self.chosen, inputs, self.everything, **reading)
        self.runs.change(self.chosen, inputs, self.everything, **reading)
        self.runs.focus(self.runs_offered, None, [self.runs], **LIGHT)
        gr.on([self.seeds.input, self.entries.input], self.looked, inputs, self.everything, **reading)
        gr.on(
            [self.axis.input, self.measure.input, self.live.submit],
            self.turned, inputs, [self.curves, self.curve_title], **whole, **LIGHT,
        )  # fmt: skip
        self.wall.click(None, js="() => void window.labCompare.wall()", **LIGHT)
        self.question.wire([self.study, self.runs, self.live], VIEW)

    @property
    def everything(self) -> list[Any]:
        """What another choice changes."""
        head = [self.study, self.runs, self.seeds, self.entries, self.origin, self.message, self.body, self.live]
        figures = [self.curves, self.curve_title, self.seconds, self.seconds_title, self.front, self.front_title]
        notes = [self.curve_note, self.front_note, self.verdict, self.tables]
        return [
            *head,
            *figures,
            *notes,
            self.rests_title,
            self.rests_words,
            self.forest,
            self.exports,
            *self.question.offers,
        ]

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, *values: Any) -> Updates:
        """The tab was opened, something that is watched came further, or fewer or more runs are to be shown."""
        return self._show(request, values, anew=False)

    @requires(Access.VIEWER)
    def chosen(self, request: gr.Request, *values: Any) -> Updates:
        """Another study, or other runs."""
        return self._show(request, values, anew=True)

    @requires(Access.VIEWER)
    def turned(self, request: gr.Request, *values: Any) -> Updates:
        """Another axis or another curve: the curves alone are drawn anew."""
        asked, language = _Asked("runs:", *values), language_of(request)
        try:
            whole = self.selections.read(asked.selection, *self._marks()).worded(language)
        except LabError:
            return {self.curves: gr.skip()}
        return self._curves(_writers(whole.narrowed(asked.seeds, asked.entries)), asked, language)

    @requires(Access.VIEWER)
    def opened_from(self, request: gr.Request, event: gr.EventData) -> Updates:
        """The list of runs asks to compare those that are ticked; of more than can be told apart, the first ones, which it says."""
        if event._data.get("act") != "compare":
            return {self.runs: gr.skip()}
        language = language_of(request)
        titles = run_titles(self.store, language)
        wanted = event._data.get("runs")
        ticked = [str(run) for run in wanted if str(run) in titles] if isinstance(wanted, list) else []
        runs, left = ticked[:MOST_RUNS], [titles[run] for run in ticked[MOST_RUNS:]]
        chosen = gr.update(choices=[(title, run) for run, title in titles.items()], value=runs, visible=True)
        offered = [(_offer(each, language), each.text) for each in self.selections.offered()]
        study = gr.update(choices=offered, value="runs:")
        cut = shown.left_out(len(ticked), left, language)
        return {self.tabs: gr.Tabs(selected="compare"), self.study: study, self.runs: chosen, self.cut: cut}

    @requires(Access.VIEWER)
    def runs_offered(self, request: gr.Request) -> Updates:
        """The runs to choose from, as they are now."""
        titles = run_titles(self.store, language_of(request))
        return {self.runs: gr.update(choices=[(title, run) for run, title in titles.items()])}

    # ---- what is shown

    def _marks(self) -> tuple[str, str]:
        marks = self.supervisor.changes.marks()
        return marks[Topic.RUNS], marks[Topic.PROGRESS]

    def _show(self, request: gr.Request, values: tuple[Any, ...], *, anew: bool) -> Updates:
        """Updates for ``everything``. ``anew``: what was narrowed before was of another choice."""
        language = language_of(request)
        offered, marks = self.selections.offered(), self._marks()  # before anything is read: no change falls between
        asked = _Asked(offered[0].text, *values)
        updates: Updates = {
            self.study: gr.update(choices=[(_offer(each, language), each.text) for each in offered], value=asked.study),
            self.runs: gr.update(visible=asked.study.startswith("runs:")),
            self.message: "",
        }
        first = not values[0]
        if asked.selection_of_address and first:
            titles = run_titles(self.store, language)
            choices = [(title, run) for run, title in titles.items()]
            updates[self.runs] |= {"choices": choices, "value": asked.runs}
        try:
            whole = self.selections.read(asked.selection, *marks).worded(language)
        except LabError as error:
            hidden = {self.body: gr.update(visible=False), self.live: "{}"}
            return updates | hidden | {self.message: error_notice(error, request)}
        if anew or first:
            asked = asked.whole()
        updates |= self._narrowing(whole, asked, language, anew=anew or first)
        selected = whole.narrowed(asked.seeds, asked.entries)
        updates |= {self.origin: shown.origin(whole, language), self.live: self._watch(whole, marks, asked)}
        if not selected.runs:
            return updates | {self.message: shown.nothing(selected, language), self.body: gr.update(visible=False)}
        offers = self.question.offered(selected, language) if anew or first else {}  # what was asked there stays
        return {**updates, **offers, **self._body(selected, asked, language)}

    def _narrowing(self, whole: Selected, asked: _Asked, language: str, *, anew: bool) -> Updates:
        """The seeds and the entries that can be shown; all of them where the choice is another one."""
        seeds = sorted({run.seed for run in whole.runs})
        choices = [(say("compare.all_seeds", language), ALL), *((str(seed), str(seed)) for seed in seeds)]
        writers = _writers(whole)
        looks = looks_of(writers, asked.dark)
        entries = [
            (f"{shown.GLYPHS[looks[group.label].marker]} {group.label}", entry_of(group.first)) for group in writers
        ]
        some = [value for _, value in entries] if anew or not asked.entries else list(asked.entries)
        return {
            self.seeds: gr.update(choices=choices, value=asked.seed, visible=len(seeds) > 1),
            self.entries: gr.update(choices=entries, value=some, visible=len(entries) > 1),
        }

    def _watch(self, whole: Selected, marks: tuple[str, str], asked: _Asked) -> str:
        """What the browser waits for: other marks than those that held when the runs were read, while any of them goes on. And which curves
        it gets: where another axis was chosen meanwhile, it asks for that one's again."""
        waits = {}
        if whole.going_on or (whole.selection.kind == "study" and len(whole.runs) < whole.wanted):
            waits = dict(zip((Topic.RUNS, Topic.PROGRESS), marks, strict=True))
        curves = [asked.axis, asked.measure]
        return json.dumps(
            {"shown": whole.selection.text, "waits": waits, "curves": curves, "answer": time.monotonic_ns()}
        )

    def _body(self, selected: Selected, asked: _Asked, language: str) -> Updates:
        """The verdict, the curves, and what stands beside and below them."""
        from lab.ui.tabs.compare import ends as at_end
        from lab.ui.tabs.compare import figures

        groups = _writers(selected)
        curves = self._curves(groups, asked, language)  # loads plotly for those below
        view, looks = asked.view(language), looks_of(groups, asked.dark)
        # Those that end a chain: what they all start from is no rival of theirs.
        ends = [group for group in groups if group.algorithm not in STARTS] or groups
        found, tables = differences(ends), course_tables(selected.runs)
        front, seconds = at_end.front(ends, looks, view), figures.seconds(groups, view)
        forest = at_end.forest(found, view)
        return {
            **curves,
            self.body: gr.update(visible=True),
            self.verdict: shown.head(selected, language),
            self.curve_note: quiet(say("compare.curves_note", language)),
            self.seconds_title: shown.title("seconds_title", language)
            + ("" if seconds else quiet(say("compare.no_seconds", language))),
            self.seconds: gr.update(value=seconds, visible=seconds is not None),
            self.front_title: shown.title("front_title", language, say("compare.front_side", language)),
            self.front: gr.update(value=front, visible=front is not None),
            self.front_note: quiet(say(f"compare.{'front_note' if front else 'no_front'}", language)),
            self.tables: shown.tables(tables, looks, language),
            self.rests_title: shown.title("rests_title", language, say("compare.rests_side", language)),
            self.rests_words: shown.differences(found, language) or quiet(say("compare.no_differences", language)),
            self.forest: gr.update(value=forest, visible=forest is not None),
            self.exports: _exports(selected.selection, language),
        }

    def _curves(self, groups: Sequence[Group], asked: _Asked, language: str) -> Updates:
        from lab.ui.tabs.compare import figures
        from lab.ui.tabs.compare.drawing import load_plotting

        load_plotting()
        chart = figures.curves(groups, asked.measure, asked.axis, asked.view(language))
        side = say(f"compare.axis_title.{asked.axis}", language)
        none = quiet(say("compare.no_curve", language)) if chart is None else ""
        return {
            self.curves: gr.update(value=chart, visible=chart is not None),
            self.curve_title: shown.title(f"curve.{asked.measure}", language, side) + none,
        }


class _Asked:
    """What the page sends, checked: the choice, what it is narrowed to, the axis, the curve, and how the page looks."""

    def __init__(
        self, usual: str, study: Any, runs: Any, seed: Any, entries: Any, axis: Any, measure: Any, look: Any
    ) -> None:
        self.study = str(study or usual)
        self.runs = [str(run) for run in runs or []]
        self.selection_of_address = False
        self.seed = str(seed or ALL)
        self.entries = tuple(str(entry) for entry in entries or [])
        self.axis = axis if axis in AXES else "seconds"
        self.measure = measure if measure in CURVES else "pass_at_1"
        try:
            told = json.loads(look or "{}")
        except (TypeError, ValueError):
            told = {}
        told = told if isinstance(told, Mapping) else {}
        self.dark, self.narrow = told.get("dark") is True, told.get("narrow") is True
        named = told.get("of")
        if not study and isinstance(named, str) and named:  # nothing is chosen yet: what the address names
            self.study, self.selection_of_address = named, True
            ids = str(told.get("runs") or "").split(",") if named.startswith("runs:") else []
            self.runs = [run for run in ids if run]

    @property
    def selection(self) -> Selection:
        """The choice. Raises InputError."""
        return parse_selection(self.study, self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The one seed that is shown, or none for all."""
        return (int(self.seed),) if self.seed.isdecimal() else ()

    def whole(self) -> _Asked:
        """The same, narrowed to nothing."""
        self.seed, self.entries = ALL, ()
        return self

    def view(self, language: str) -> Any:
        """How a figure is drawn for this page."""
        from lab.ui.tabs.compare.drawing import View

        return View(language, self.dark, self.narrow)


def _writers(selected: Selected) -> list[Group]:
    """The groups that are drawn: a reward model has no answers, and is a stage of those that use it."""
    groups = groups_of(selected.runs)
    return policies(groups) or groups


def _offer(selection: Selection, language: str) -> str:
    return say(f"compare.offer_{selection.kind}", language, name=selection.study)


def _exports(selection: Selection, language: str) -> str:
    """The links to the same comparison as a file."""
    query = {"of": selection.text} | ({"runs": ",".join(selection.runs)} if selection.runs else {})
    links = "".join(
        f'<a class="export {form}" download href="api/compare/{form}?{shown.text(urlencode(query))}">↓ {shown.text(say(f"compare.{form}", language))}</a>'
        for form in ("csv", "html")
    )
    return quiet(say("compare.rests_note", language)) + f'<div class="exports">{links}</div>'
