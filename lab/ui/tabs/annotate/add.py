"""Where pairs come from, on the Annotate tab: a file, a run's groups, two runs, a model now, typed by hand; into a collection, new or not.

Sampling: ``sample.py``. An exported version brings a collection of its own: ``take_in.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.pairs import settings_from
from lab.annotation.sources import Imported
from lab.core.access import Access, requires, user_of
from lab.errors import LabError
from lab.runs.jobs import Jobs
from lab.store.run_titles import run_titles
from lab.store.runs import Store
from lab.ui.handlers import LIGHT, SLOW, Updates, error_notice, words_errors
from lab.ui.notice import notice
from lab.ui.tabs.annotate.file import FileWay
from lab.ui.tabs.annotate.pairs import SETTINGS, Collections, choices_of, settings_fields
from lab.ui.tabs.annotate.sample import SampleNow
from lab.ui.tabs.annotate.tables import left_out
from lab.ui.tabs.annotate.take_in import TakeIn
from lab.ui.tabs.train.choices import StartChoices
from lab.words import say
from lab.words.sentences import language_of

WAYS = ("file", "run", "runs", "sample", "typed", "export")


class AddPairs:
    """Draws the form where it is made; ``wire`` connects it."""

    def __init__(self, annotation: Annotation, store: Store, jobs: Jobs, starts: StartChoices, i18n: gr.I18n) -> None:
        self.annotation, self.store, self.jobs, self.starts, self.i18n = annotation, store, jobs, starts, i18n
        gr.HTML(i18n("annotate.add"), elem_classes="section")
        ways = [(i18n(f"annotate_way.{way}"), way) for way in WAYS]
        self.way = gr.Radio(ways, value="file", show_label=False, elem_id="pairs-from", elem_classes="as-cards")
        self.columns = [gr.Column(visible=way == "file", elem_classes="way", elem_id=f"way-{way}") for way in WAYS]
        draws = (self._file, self._run, self._runs, self._sample, self._typed, self._export)
        for column, draw in zip(self.columns, draws, strict=True):
            with column:
                draw()
        with gr.Column(elem_classes="way", elem_id="pairs-where") as self.where:
            self._where()
            self.button = gr.Button(i18n("annotate.add_button"), variant="primary", elem_id="add-pairs-button")
        self.message = gr.HTML(elem_id="add-message")
        self.sample.draw_waiting(i18n)

    # ---- the look of it

    def _file(self) -> None:
        self.file = FileWay(self.annotation, self.i18n)

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

    def _sample(self) -> None:
        self.sample = SampleNow(self.annotation, self.jobs, self.starts, self.i18n)

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
            self.settings = settings_fields(self.i18n, "new", self.annotation.usual)

    # ---- events

    def wire(self, shown: Collections, tab: gr.Tab) -> None:
        """Connect the events; what was added shows among the collections, and what is being sampled when ``tab`` is opened."""
        self.way.input(None, [self.way], [*self.columns, self.where], js=SHOW_WAY, **LIGHT)
        self.take_in.wire(shown)
        self.into.input(None, [self.into], [self.name, self.settings_box], js=SHOW_IF_NEW, **LIGHT)
        self.into.focus(self.offered, None, [self.into], **LIGHT)
        for chooser in (self.run, self.one, self.other):
            chooser.focus(self.runs_offered, None, [chooser], **LIGHT)
        self.file.wire()
        switched = [self.way, *self.columns, self.where, self.take_in.files]
        self.file.as_export.click(self.to_export, [self.file.file], switched, **LIGHT)
        self.shown = shown
        self.button.click(self.added, list(self.fields.values()), self.outputs, **SLOW)
        self.sample.wire()
        self.sample.awaited.changed(self.sampled, [self.sample.waiting], self.outputs)
        tab.select(self.sampled, [self.sample.waiting], self.outputs, **LIGHT)

    @property
    def outputs(self) -> list[Any]:
        """What adding changes."""
        return [self.message, self.into, *self.emptied, *self.sample.outputs, *self.shown.everything]

    @property
    def fields(self) -> dict[str, Any]:
        """What is sent when pairs are added, by name."""
        return {
            "way": self.way,
            **self.file.fields,
            "run": self.run,
            "per_group": self.per_group,
            "most": self.most,
            "one": self.one,
            "other": self.other,
            "most_of_two": self.most_of_two,
            "prompt": self.prompt,
            "first": self.first,
            "second": self.second,
            "gold": self.gold,
            "into": self.into,
            "name": self.name,
            **{f"setting_{place}": setting for place, setting in enumerate(self.settings)},
            **{f"sample_{name}": field for name, field in self.sample.fields.items()},
        }

    @property
    def emptied(self) -> list[Any]:
        """What is empty again once the pairs are in."""
        return [self.file.file, self.prompt, self.first, self.second, self.name]

    @requires(Access.OWNER)
    def offered(self, request: gr.Request) -> Updates:
        """The collections to add to, as they are now."""
        new = (say("annotate.new_collection", language_of(request)), "")
        return {self.into: gr.update(choices=[new, *choices_of(self.annotation.collections())])}

    @requires(Access.OWNER)
    def runs_offered(self, request: gr.Request) -> Any:
        """The runs that have groups, the newest first."""
        runs = [run for run in self.store.runs() if self.store.folder(run.id).has_groups()]
        titles = run_titles(self.store, language_of(request))
        return gr.update(choices=[(titles[run.id], run.id) for run in runs])

    @requires(Access.OWNER)
    def to_export(self, path: Any) -> Updates:
        """The file is an exported version: the form for exported versions, with this file."""
        columns = {column: gr.update(visible=way == "export") for way, column in zip(WAYS, self.columns, strict=True)}
        hidden, files = gr.update(visible=False), [path] if path else None
        return {self.way: "export", **columns, self.where: hidden, self.take_in.files: files}

    @requires(Access.OWNER)
    @words_errors("message", of_file=True)
    def added(self, request: gr.Request, *values: Any) -> Iterator[Updates]:
        """Add the pairs, and say what became of each row; or sample them first. While a file is read, show the progress."""
        sent = dict(zip(self.fields, values, strict=True))
        if sent["way"] == "sample":
            sampling = {name: sent[f"sample_{name}"] for name in self.sample.fields}
            waiting = self.sample.begin(user_of(request).name, _target(sent), sampling)
            shown = self.sample.look(waiting, language_of(request)).shown
            yield {self.message: shown, **self.sample.waits(waiting)}
        elif sent["way"] == "file":
            target = _target(sent)
            file, steps = self.file.to_add(request, sent)
            with file:
                for shown in steps:
                    yield {self.message: shown}
                yield self._taken(self.annotation.take_file(file, **target), request)
        else:
            yield self._taken(self._act(sent), request)

    @requires(Access.OWNER)
    def sampled(self, request: gr.Request, waiting: Any) -> Updates:
        """The jobs that sample came further; or the tab was opened, and nothing may be awaited."""
        if not waiting:
            return {self.message: gr.skip()}
        try:
            looked = self.sample.look(waiting, language_of(request))
        except LabError as error:
            return {self.message: error_notice(error, request), **self.sample.waits({})}
        if looked.taken is not None:
            return self._taken(looked.taken, request)
        return {self.message: looked.shown, **self.sample.waits(waiting if looked.waits else {})}

    # ---- inside

    def _taken(self, added: Imported, request: gr.Request) -> Updates:
        language, collection = language_of(request), added.collection
        message = say("annotate.added", language, count=added.taken, name=collection.name)
        if added.votes:
            message += (" " if language == "en" else "") + say("annotate.added_votes", language, count=added.votes)
        return {
            self.message: notice(message) + left_out(added.left_out, language),
            self.into: gr.update(value=collection.id, choices=choices_of(self.annotation.collections())),
            **dict.fromkeys(self.emptied, ""),
            self.file.file: None,
            **self.sample.waits({}),
            **self.shown.show(collection.id, language),
        }

    def _act(self, sent: dict[str, Any]) -> Imported:
        target = _target(sent)
        row = {name: sent[name] for name in ("prompt", "first", "second", "gold")}
        from_run: dict[str, Any] = {"per_group": _whole(sent["per_group"]), "most": _whole(sent["most"])}
        runs = (str(sent["one"]), str(sent["other"]))
        acts: dict[str, Callable[[], Imported]] = {
            "run": partial(self.annotation.import_run, str(sent["run"]), **from_run, **target),
            "runs": partial(self.annotation.import_runs, *runs, most=_whole(sent["most_of_two"]), **target),
            "typed": partial(self.annotation.import_rows, [row], **target),
        }
        return acts[str(sent["way"])]()


def _target(sent: dict[str, Any]) -> dict[str, Any]:
    """Where the pairs go: into a collection, or into a new one of this name and with these settings. Raises InputError."""
    if sent["into"]:
        return {"into": str(sent["into"])}
    values = dict(zip(SETTINGS, _numbered(sent, "setting_"), strict=True))
    return {"name": str(sent["name"] or ""), "settings": settings_from(values)}


def _numbered(sent: dict[str, Any], prefix: str) -> list[Any]:
    return [value for name, value in sent.items() if name.startswith(prefix)]


def _whole(value: Any) -> int:
    """A count from a number field; nonsense asks for one."""
    return max(1, min(int(value), 5000)) if isinstance(value, int | float) and value == value else 1


SHOWN = "({ __type__: 'update', visible })"
SHOW_WAY = f"(way) => [...{list(WAYS)}.map((one) => one === way), way !== 'export'].map((visible) => {SHOWN})"
SHOW_IF_NEW = "(into) => [{ __type__: 'update', visible: !into }, { __type__: 'update', visible: !into }]"
