"""The Train tab: the form on the left, the runs on the right, and what passes between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from lab.ui.draft import SENT, with_draft
from lab.ui.handlers import LIGHT, Updates, words_errors
from lab.ui.notice import notice
from lab.ui.presets import Presets
from lab.ui.tabs.groups.tab import GroupsTab
from lab.ui.tabs.train.form import TrainForm
from lab.ui.tabs.train.runs import TrainRuns
from lab.ui.tabs.train.study import StudyFromForm
from lab.ui.tabs.train.upload import TrainUpload
from lab.words import say
from lab.words.sentences import language_of


class TrainTab:
    """Draws both halves where it is made; ``wire`` connects them."""

    def __init__(self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n) -> None:
        with gr.Row(elem_classes="halves"):
            with gr.Column(scale=5, min_width=320, elem_id="recipe"):
                self.form = TrainForm(store, supervisor, presets, i18n)
                self.study = StudyFromForm(store, supervisor, i18n)
                self.upload = TrainUpload(store, i18n)
            with gr.Column(scale=6, min_width=320, elem_id="runs-half"):
                self.runs = TrainRuns(store, supervisor, i18n)

    def wire(self, blocks: gr.Blocks, tabs: gr.Tabs, groups: GroupsTab) -> None:
        """Connect the events."""
        form, runs = self.form, self.runs
        form.wire()
        runs.wire(blocks)
        self.upload.wire()
        self.study.wire(form.draft, form.standing)
        form.start.click(self.started, [form.draft], [form.message, *runs.everything], js=SENT, **LIGHT)
        of_run = [form.draft, runs.selected]
        for button, fill in ((runs.load, form.loaded), (runs.go_on, form.after), (runs.ppo, form.ppo_with)):
            button.click(self._filled_from(fill), of_run, form.everything, js=with_draft("run"), **LIGHT)
        runs.groups.click(groups.opened_from, [runs.selected], [tabs, *groups.everything], **LIGHT)

    @requires(Access.OWNER)
    @words_errors("form.message")
    def started(self, request: gr.Request, sent: Any) -> Updates:
        """Start what stands in the form, and select the run."""
        run = self.form.submitted(sent)
        message = notice(say("train.started", language_of(request), name=run.name))
        return {self.form.message: message, **self.runs.show(request, run.id)}

    def _filled_from(self, fill: Callable[[str, Any, gr.Request], Updates]) -> Any:
        @requires(Access.VIEWER)
        @words_errors(self.form.message)
        def filled(request: gr.Request, sent: Any, selected: Any) -> Updates:
            """The form as the selected run gives it."""
            return fill(str(selected), sent, request)

        return filled
