"""The Groups tab: choose a run, look into its groups. The inspector itself is a component that reads the run's routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.data.recordings import Recording
from lab.store.recordings import Recordings, grouped
from lab.store.run_titles import run_titles
from lab.store.runs import Run, Store
from lab.ui.components.group_inspector.component import group_inspector
from lab.ui.handlers import LIGHT, Updates
from lab.ui.tabs.groups.take_in import TakeIn
from lab.words import say
from lab.words.components import rule_words
from lab.words.sentences import language_of


class GroupsTab:
    """Draws the tab where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, i18n: gr.I18n) -> None:
        self.store = store
        with gr.Row(visible=False, elem_classes="chooser") as self.chooser:
            self.run = gr.Dropdown([], label=i18n("groups.run"), elem_id="groups-run", interactive=True)
        with gr.Column(visible=True, elem_classes="nothing-yet") as self.empty:
            gr.HTML(i18n("groups.empty"), elem_id="groups-empty")
            self.to_train = gr.Button(i18n("groups.to_train"), variant="primary", min_width=140)
        self.take_in = TakeIn(store, i18n)
        with gr.Column(visible=False) as self.shown:
            self.inspector = group_inspector(rules=rule_words(), elem_id="inspector")

    def wire(self, blocks: gr.Blocks, tabs: gr.Tabs, tab: gr.Tab) -> None:
        """Connect the events."""
        self.tabs = tabs
        blocks.load(self.opened, None, [tabs, *self.everything], **LIGHT)
        tab.select(self.looked, [self.run], self.everything, **LIGHT)
        self.run.focus(self.offered, None, [self.run], **LIGHT)
        self.run.input(self.chosen, [self.run], [self.inspector], **LIGHT)
        self.to_train.click(self.go_to_train, None, [tabs], **LIGHT)
        self.take_in.wire(self)

    @property
    def everything(self) -> list[Any]:
        """What another run changes."""
        return [self.run, self.inspector, self.chooser, self.empty, self.shown]

    @requires(Access.VIEWER)
    def opened(self, request: gr.Request) -> Updates:
        """The page was loaded; an address with ``?run=ID&step=N`` opens that group."""
        wanted = str(request.query_params.get("run") or "")
        step = str(request.query_params.get("step") or "")
        shown = self.show(wanted, language_of(request), int(step) if step.isdecimal() else None)
        return shown | {self.tabs: gr.Tabs(selected="groups")} if wanted else shown

    @requires(Access.VIEWER)
    def opened_from(self, request: gr.Request, run_id: Any) -> Updates:
        """Another tab asked for the groups of a run."""
        return {self.tabs: gr.Tabs(selected="groups"), **self.show(str(run_id), language_of(request))}

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, run_id: Any) -> Updates:
        """The tab was opened: a run that has come meanwhile is there, and one that is chosen stays."""
        return self.show(str(run_id or ""), language_of(request))

    @requires(Access.VIEWER)
    def offered(self, request: gr.Request) -> Updates:
        """The runs to choose from, as they are now."""
        return {
            self.run: gr.update(
                choices=self._choices([*self._runs(), *Recordings(self.store).all()], language_of(request))
            )
        }

    @requires(Access.VIEWER)
    def chosen(self, run_id: Any) -> Updates:
        """Another run."""
        return {self.inspector: json.dumps({"run": str(run_id)})}

    @requires(Access.VIEWER)
    def go_to_train(self) -> Updates:
        """Where groups come from."""
        return {self.tabs: gr.Tabs(selected="train")}

    def show(self, run_id: str, language: str, step: int | None = None) -> Updates:
        """Updates for ``everything``; without that run, the newest that has groups, else pairs."""
        runs: list[Run | Recording] = [*self._runs(run_id), *Recordings(self.store).all()]
        visible = {part: gr.update(visible=bool(runs)) for part in (self.chooser, self.shown)}
        visible[self.empty] = gr.update(visible=not runs)
        if not runs:
            return {self.inspector: "{}", **visible}
        newest = next((run for run in runs if grouped(self.store, run.id).has_groups()), runs[0])
        run = next((run for run in runs if run.id == run_id), newest)
        value = {"run": run.id} if step is None else {"run": run.id, "step": step}
        chosen = gr.update(choices=self._choices(runs, language), value=run.id)
        return {self.run: chosen, self.inspector: json.dumps(value), **visible}

    def _runs(self, wanted: str = "") -> list[Run]:
        """Runs with groups or pairs, newest first; the wanted one even before its first."""
        return [run for run in self.store.runs() if run.id == wanted or self._has_any(run)]

    def _has_any(self, run: Run) -> bool:
        folder = self.store.folder(run.id)
        return folder.has_groups() or folder.has_pairs()

    def _choices(self, runs: Sequence[Run | Recording], language: str) -> list[tuple[str, str]]:
        """Runs by name, with a dot where they go on; recordings with the tool that wrote them."""
        live = say("groups.live", language)
        titles = run_titles(self.store, language)
        names = {run.id: titles.get(run.id, run.name) for run in runs}
        marks = [
            f" · {run.tool}" if isinstance(run, Recording) else "" if run.state.ended else f" · ● {live}"
            for run in runs
        ]
        return [(names[run.id] + mark, run.id) for run, mark in zip(runs, marks, strict=True)]
