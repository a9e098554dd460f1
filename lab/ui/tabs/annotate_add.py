"""Where pairs come from, on the Annotate tab: a file, a run's groups, two runs, typed by hand; into a collection, new or not.

The fifth way, an exported version, brings a collection of its own: ``annotate_take_in.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.data.pair_rows import Known
from lab.errors import LabError
from lab.store.annotation import Annotation
from lab.store.pairs import settings_from
from lab.store.pairs_import import Imported
from lab.store.runs import Store
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.ui.sentences import language_of, problem
from lab.ui.tabs.annotate_pairs import Collections, settings_fields
from lab.ui.tabs.annotate_tables import left_out, preview
from lab.ui.tabs.annotate_take_in import TakeIn
from lab.ui.text import say

WAYS = ("file", "run", "runs", "typed", "export")
FILES = [".jsonl", ".json", ".csv", ".parquet"]
SLOW: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
"""For handlers that read a file or a run: they wait in the queue, and say that they are at work."""


class AddPairs:
    """Draws the form where it is made; ``wire`` connects it."""

    def __init__(self, annotation: Annotation, store: Store, i18n: gr.I18n) -> None:
        self.annotation, self.store, self.i18n = annotation, store, i18n
        gr.HTML(i18n("annotate.add"), elem_classes="section")
        ways = [(i18n(f"annotate_way.{way}"), way) for way in WAYS]
        self.way = gr.Radio(ways, value="file", show_label=False, elem_id="pairs-from", elem_classes="as-cards")
        self.columns = [gr.Column(visible=way == "file", elem_classes="way", elem_id=f"way-{way}") for way in WAYS]
        draws = (self._file, self._run, self._runs, self._typed, self._export)
        for column, draw in zip(self.columns, draws, strict=True):
            with column:
                draw()
        with gr.Column(elem_classes="way", elem_id="pairs-where") as self.where:
            self._where()
            self.button = gr.Button(i18n("annotate.add_button"), variant="primary", elem_id="add-pairs-button")
            self.message = gr.HTML(elem_id="add-message")

    # ---- the look of it

    def _file(self) -> None:
        self.file = gr.File(label=self.i18n("annotate.file"), file_types=FILES, height=132, elem_id="pairs-file")
        known = [(self.i18n(f"annotate_known.{value}"), str(value)) for value in Known]
        self.known = gr.Radio(
            known, value=str(Known.RESPONSES), label=self.i18n("annotate.known"), elem_id="pairs-known"
        )
        with gr.Accordion(self.i18n("annotate.columns"), open=False, elem_classes="more"):
            gr.HTML(self.i18n("annotate.columns_hint"), elem_classes="quiet")
            with gr.Row(elem_classes="side-by-side"):
                self.mapped = [
                    gr.Dropdown([], label=self.i18n(f"annotate_column.{name}"), interactive=True, elem_id=f"map-{name}")
                    for name in ("prompt", "response_1", "response_2")
                ]
        self.preview = gr.HTML(elem_id="pairs-preview")

    def _run(self) -> None:
        gr.HTML(self.i18n("annotate.run_hint"), elem_classes="quiet")
        self.run = gr.Dropdown([], label=self.i18n("groups.run"), interactive=True, elem_id="pairs-run")
        with gr.Row(elem_classes="side-by-side"):
            self.per_group = gr.Number(1, precision=0, label=self.i18n("annotate.per_group"))
            self.most = gr.Number(200, precision=0, label=self.i18n("annotate.most"))

    def _runs(self) -> None:
        gr.HTML(self.i18n("annotate.runs_hint"), elem_classes="quiet")
        with gr.Row(elem_classes="side-by-side"):
            self.one = gr.Dropdown([], label=self.i18n("annotate.one_run"), interactive=True, elem_id="pairs-one")
            self.other = gr.Dropdown([], label=self.i18n("annotate.other_run"), interactive=True, elem_id="pairs-other")
            self.most_of_two = gr.Number(200, precision=0, label=self.i18n("annotate.most"))

    def _typed(self) -> None:
        self.prompt = gr.Textbox(label=self.i18n("annotate_column.prompt"), lines=2, elem_id="typed-prompt")
        with gr.Row(elem_classes="side-by-side"):
            self.first = gr.Textbox(label=self.i18n("annotate_column.response_1"), lines=5, elem_id="typed-first")
            self.second = gr.Textbox(label=self.i18n("annotate_column.response_2"), lines=5, elem_id="typed-second")
        gold = [(self.i18n(f"annotate_gold.{value or 'none'}"), value) for value in ("", "first", "second")]
        self.gold = gr.Radio(gold, value="", label=self.i18n("annotate.typed_gold"), elem_id="typed-gold")

    def _export(self) -> None:
        self.take_in = TakeIn(self.annotation, self.i18n)

    def _where(self) -> None:
        with gr.Row(elem_classes="side-by-side"):
            new = [(self.i18n("annotate.new_collection"), "")]
            self.into = gr.Dropdown(new, value="", label=self.i18n("annotate.into"), interactive=True, elem_id="into")
            self.name = gr.Textbox(label=self.i18n("annotate.name"), max_length=120, elem_id="collection-name")
        with gr.Accordion(self.i18n("annotate.settings"), open=False, elem_classes="more") as self.settings_box:
            self.settings = settings_fields(self.i18n, "new")

    # ---- events

    def wire(self, shown: Collections) -> None:
        """Connect the events; what was added shows among the collections."""
        self.way.input(None, [self.way], [*self.columns, self.where], js=SHOW_WAY, **LIGHT)
        self.take_in.wire(shown)
        self.into.input(None, [self.into], [self.name, self.settings_box], js=SHOW_IF_NEW, **LIGHT)
        self.into.focus(self.offered, None, [self.into], **LIGHT)
        for chooser in (self.run, self.one, self.other):
            chooser.focus(self.runs_offered, None, [chooser], **LIGHT)
        read = [self.file, self.known, *self.mapped]
        self.file.change(self.given, read, [self.preview, *self.mapped], **SLOW)
        gr.on([self.known.input, *(one.input for one in self.mapped)], self.looked_at, read, [self.preview], **SLOW)
        self.button.click(self.added, self.inputs, [self.message, self.into, *self.emptied, *shown.everything], **SLOW)
        self.shown = shown

    @property
    def inputs(self) -> list[Any]:
        """What is sent when pairs are added."""
        sources = [self.run, self.per_group, self.most, self.one, self.other, self.most_of_two]
        typed = [self.prompt, self.first, self.second, self.gold]
        return [self.way, self.file, self.known, *self.mapped, *sources, *typed, self.into, self.name, *self.settings]

    @property
    def emptied(self) -> list[Any]:
        """What is empty again once the pairs are in."""
        return [self.file, self.prompt, self.first, self.second, self.name]

    @requires(Access.OWNER)
    def offered(self, request: gr.Request) -> Any:
        """The collections to add to, as they are now."""
        there = [(one.name, one.id) for one in self.annotation.collections()]
        return gr.update(choices=[(say("annotate.new_collection", language_of(request)), ""), *there])

    @requires(Access.OWNER)
    def runs_offered(self) -> Any:
        """The runs that have groups, the newest first."""
        runs = [run for run in self.store.runs() if self.store.folder(run.id).has_groups()]
        return gr.update(choices=[(f"{run.name} · {run.id}", run.id) for run in runs])

    @requires(Access.OWNER)
    def given(self, request: gr.Request, path: Any, known: Any, *_: Any) -> list[Any]:
        """A file was given: its columns to choose from, and its first pairs."""
        unmapped = [gr.update(choices=[], value=None)] * len(self.mapped)
        if not path:
            return ["", *unmapped]
        try:
            columns = self.annotation.columns_of(str(path))
        except LabError as error:
            return [notice(_told(error, request, path), "problem"), *unmapped]
        choices = [gr.update(choices=list(columns), value=None)] * len(self.mapped)
        return [self._preview(request, path, known, {}), *choices]

    @requires(Access.OWNER)
    def looked_at(self, request: gr.Request, path: Any, known: Any, *mapped: Any) -> str:
        """The same file read otherwise."""
        return self._preview(request, path, known, _mapping(known, mapped)) if path else ""

    @requires(Access.OWNER)
    def added(self, request: gr.Request, way: Any, *values: Any) -> list[Any]:
        """Add the pairs, and say what became of every row."""
        language = language_of(request)
        path = values[0]
        try:
            done = self._act(str(way), *values)
        except LabError as error:
            kept = [gr.skip()] * (1 + len(self.emptied) + len(self.shown.everything))
            return [notice(_told(error, request, path), "problem"), *kept]
        told = say("annotate.added", language, count=done.taken, name=done.collection.name)
        empty = [None, "", "", "", ""]
        into = gr.update(
            value=done.collection.id, choices=[(one.name, one.id) for one in self.annotation.collections()]
        )
        message = notice(told) + left_out(done.left_out, language)
        return [message, into, *empty, *self.shown.show(done.collection.id, language)]

    # ---- inside

    def _act(self, way: str, path: Any, known: Any, *rest: Any) -> Imported:
        mapped, rest = rest[:3], rest[3:]
        run, per_group, most, one, other, most_of_two = rest[:6]
        prompt, first, second, gold, into, name = rest[6:12]
        target: dict[str, Any] = {"into": into} if into else {"name": str(name or ""), "settings": _settings(rest[12:])}
        row = {"prompt": prompt, "first": first, "second": second, "gold": gold}
        acts: dict[str, Callable[[], Imported]] = {
            "file": partial(
                self.annotation.import_file, str(path), columns=_mapping(known, mapped), known=Known(known), **target
            ),
            "run": partial(
                self.annotation.import_run, str(run), per_group=_whole(per_group), most=_whole(most), **target
            ),
            "runs": partial(self.annotation.import_runs, str(one), str(other), most=_whole(most_of_two), **target),
            "typed": partial(self.annotation.import_rows, [row], **target),
        }  # fmt: skip
        return acts[way]()

    def _preview(self, request: gr.Request, path: Any, known: Any, columns: dict[str, str]) -> str:
        try:
            found = self.annotation.preview_file(str(path), columns=columns or None, known=Known(known))
        except LabError as error:
            return notice(_told(error, request, path), "problem")
        return preview(found, language_of(request))


def _mapping(known: Any, mapped: Any) -> dict[str, str]:
    """The file's columns by the lab's names; empty until all three are chosen."""
    names = ("prompt", "chosen", "rejected") if known == Known.GOLD else ("prompt", "first", "second")
    chosen = {name: str(column) for name, column in zip(names, mapped, strict=True) if column}
    return chosen if len(chosen) == len(names) else {}


def _settings(values: Any) -> Any:
    overlap, gold_rate, strength, reason = values
    return settings_from({"overlap": overlap, "gold_rate": gold_rate, "strength": strength, "reason": reason})


def _whole(value: Any) -> int:
    """A count from a number field; nonsense asks for one."""
    return max(1, min(int(value), 5000)) if isinstance(value, int | float) and value == value else 1


def _told(error: LabError, request: gr.Request, path: Any) -> str:
    """The sentence; a file is called as its owner calls it, not by where the page put it."""
    params = {key: Path(str(value)).name if key == "path" and path else value for key, value in error.params.items()}
    return problem(type(error)(error.key, **params), language_of(request))


SHOWN = "({ __type__: 'update', visible })"
SHOW_WAY = f"(way) => [...{list(WAYS)}.map((one) => one === way), way !== 'export'].map((visible) => {SHOWN})"
SHOW_IF_NEW = "(into) => [{ __type__: 'update', visible: !into }, { __type__: 'update', visible: !into }]"
