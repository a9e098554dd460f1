"""The Train tab: the form on the left, the runs on the right, and what passes between them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.errors import LabError
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.ui.presets import Presets
from lab.ui.tabs.groups.tab import GroupsTab
from lab.ui.tabs.train.form import TrainForm
from lab.ui.tabs.train.runs import TrainRuns
from lab.words import say
from lab.words.sentences import language_of, problem


class TrainTab:
    """Draws both halves where it is made; ``wire`` connects them."""

    def __init__(self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n) -> None:
        with gr.Row(elem_classes="halves"):
            with gr.Column(scale=5, min_width=320, elem_id="recipe"):
                self.form = TrainForm(store, supervisor, presets, i18n)
            with gr.Column(scale=6, min_width=320, elem_id="runs-half"):
                self.runs = TrainRuns(store, supervisor, i18n)

    def wire(self, blocks: gr.Blocks, tabs: gr.Tabs, groups: GroupsTab) -> None:
        """Connect the events."""
        form, runs = self.form, self.runs
        form.wire(blocks)
        runs.wire(blocks)
        form.start.click(self.started, form.start_inputs, [form.message, *runs.everything], **LIGHT)
        runs.load.click(self.loaded, [form.draft, runs.selected], form.everything, **LIGHT)
        runs.groups.click(groups.opened_from, [runs.selected], [tabs, *groups.everything], **LIGHT)

    @requires(Access.OWNER)
    def started(self, request: gr.Request, stored: Any, *values: Any) -> list[Any]:
        """Start what stands in the form, and select the run."""
        language = language_of(request)
        try:
            run = self.form.submitted(stored, values)
        except LabError as error:
            told = notice(problem(error, language), "problem")
            return [told, *[gr.skip()] * len(self.runs.everything)]
        told = notice(say("train.started", language, name=run.name))
        return [told, *self.runs.show(run.id)]

    @requires(Access.VIEWER)
    def loaded(self, request: gr.Request, stored: Any, selected: Any) -> list[Any]:
        """The form with the settings of the selected run."""
        try:
            return self.form.loaded(str(selected), stored, request)
        except LabError as error:
            updates: list[Any] = [gr.skip()] * len(self.form.everything)
            told = notice(problem(error, language_of(request)), "problem")
            updates[self.form.everything.index(self.form.message)] = told
            return updates
