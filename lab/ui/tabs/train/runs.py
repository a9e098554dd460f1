"""The right half of the Train tab: the runs, the curves of the selected one, and what can be done with it.

A run's state is the server's: a reload or a second browser tab sees the same. The live parts are components that follow
the run's own routes (``components/``); here stands only which run is selected and which buttons make sense for it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.algorithms import ALGORITHMS
from lab.errors import LabError
from lab.runs.supervisor import Supervisor
from lab.store.run_titles import run_titles
from lab.store.runs import Run, RunState, Store
from lab.ui.components.live_curves.component import live_curves
from lab.ui.components.run_list.component import run_list
from lab.ui.handlers import LIGHT, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.tabs.train.cluster import ClusterLine, placed
from lab.ui.tabs.train.leave import LeaveLab
from lab.ui.tabs.train.many_runs import ManyRuns
from lab.words import say
from lab.words.components import note_words, rule_words
from lab.words.sentences import language_of

# The curves follow the run. When they see a state that the buttons were not made for, the buttons are asked for again,
# once a state; nothing is polled. The value is what the buttons were made for.
WATCH = """
let asked = "";
const look = () => {
  const curves = document.querySelector("[data-testid=live-curves]");
  const state = curves && curves.querySelector("[data-state]");
  const made = JSON.parse(props.value || "{}");
  if (!state || !made.run || curves.dataset.run !== made.run) return;
  const seen = state.dataset.state;
  if (seen === asked) return;
  asked = seen === made.state ? "" : seen;
  if (asked) trigger("select", { run: made.run });
};
new MutationObserver(look).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-state", "data-run"] });
watch("value", () => {
  asked = JSON.parse(props.value || "{}").state === asked ? "" : asked;
  look();
});
"""


class TrainRuns:
    """Draws the runs where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, supervisor: Supervisor, i18n: gr.I18n) -> None:
        self.store, self.supervisor = store, supervisor
        self.selected = gr.BrowserState("", storage_key="lab-run", secret="alignment-lab")
        leaving = gr.BrowserState({}, storage_key="lab-out", secret="alignment-lab")
        gr.HTML(i18n("train.runs"), elem_classes="section")
        self.cluster = ClusterLine(supervisor.cluster)
        self.list = run_list(elem_id="runs")
        with gr.Column(visible=False, elem_id="run") as self.panel:
            self.title = gr.HTML(elem_id="run-title")
            with gr.Row(elem_classes="actions"):
                self.groups = _button(i18n, "open_groups", variant="primary")
                self.stop = _button(i18n, "stop", classes=OWNER_ONLY)
                self.stop_now = _button(i18n, "stop_now", variant="stop", classes=OWNER_ONLY)
                self.cancel = _button(i18n, "cancel", classes=OWNER_ONLY)
                self.resume = _button(i18n, "resume", classes=OWNER_ONLY)
                self.go_on = _button(i18n, "continue_run", classes=OWNER_ONLY)
                self.ppo = _button(i18n, "ppo_with", classes=OWNER_ONLY)
                self.out = _button(i18n, "take_out", classes=OWNER_ONLY)
                self.load = _button(i18n, "load")
                self.rename = _button(i18n, "rename", classes=OWNER_ONLY)
                self.delete = _button(i18n, "delete", variant="stop", classes=OWNER_ONLY)
            with gr.Row(visible=False, elem_classes="ask") as self.rename_row:
                self.name = gr.Textbox(label=i18n("train.new_name"), max_length=120, scale=2, elem_id="new-name")
                self.save_name = _button(i18n, "save_name", variant="primary")
                self.keep_name = _button(i18n, "keep")
            with gr.Row(visible=False, elem_classes="ask") as self.delete_row:
                self.sure = gr.HTML(elem_id="sure")
                self.delete_yes = _button(i18n, "delete_yes", variant="stop")
                self.keep = _button(i18n, "keep")
            self.leave = LeaveLab(store, supervisor.jobs, leaving, i18n)
            self.message = gr.HTML(elem_id="run-message")
            self.many = ManyRuns(store, supervisor, i18n)
            self.curves = live_curves(notes=note_words(), rules=rule_words(), elem_id="curves")
        self.watch = gr.HTML("{}", html_template="<i></i>", js_on_load=WATCH, elem_id="run-watch")

    def wire(self, blocks: gr.Blocks) -> None:
        """Connect the events."""
        selected = [self.selected]
        self.cluster.wire()
        blocks.load(self.opened, selected, self.everything, **LIGHT)
        self.list.select(self.picked, None, self.everything, **LIGHT)
        self.watch.select(self.changed, selected, self.everything, **LIGHT)
        for button, act in (
            (self.stop, self.stopped),
            (self.stop_now, self.stopped_now),
            (self.cancel, self.cancelled),
            (self.resume, self.resumed),
            (self.delete_yes, self.deleted),
        ):
            button.click(act, selected, self.everything, **LIGHT)
        gr.on(
            [self.save_name.click, self.name.submit],
            self.renamed, [self.selected, self.name], self.everything, **LIGHT,
        )  # fmt: skip
        self.many.wire(self, self.show, self.everything)
        self.leave.wire(blocks, self.out, self.selected)
        self.delete.click(self.ask_delete, selected, [self.sure, self.delete_row, self.rename_row], **LIGHT)
        self.rename.click(self.ask_name, selected, [self.name, self.rename_row, self.delete_row], **LIGHT)
        gr.on(
            [self.keep.click, self.keep_name.click],
            None, None, [self.delete_row, self.rename_row], js=HIDE_BOTH, **LIGHT,
        )  # fmt: skip

    @property
    def everything(self) -> list[Any]:
        """What a change of the selected run or of its state changes."""
        head = [
            self.selected,
            self.list,
            self.watch,
            self.panel,
            self.title,
            self.message,
            self.curves,
            self.cluster.line,
        ]
        return [*head, *self.rows, *self.buttons]

    @property
    def rows(self) -> list[Any]:
        """What asks for a name, or once more before deleting."""
        return [self.rename_row, self.delete_row]

    @property
    def buttons(self) -> list[gr.Button]:
        first = [self.groups, self.stop, self.stop_now, self.cancel, self.resume]
        return [*first, self.go_on, self.ppo, self.out, self.load, self.delete]

    # ---- what was clicked

    @requires(Access.VIEWER)
    def opened(self, request: gr.Request, selected: Any) -> Updates:
        """The page was loaded: the run that was last looked at, else the newest."""
        return self.show(request, str(request.query_params.get("run") or selected or ""))

    @requires(Access.VIEWER)
    def picked(self, request: gr.Request, event: gr.EventData) -> Updates:
        """A run was selected in the list."""
        return self.show(request, str(event._data.get("run", "")))

    @requires(Access.VIEWER)
    def changed(self, request: gr.Request, selected: Any) -> Updates:
        """The state of the selected run changed: other buttons make sense now."""
        return self.show(request, str(selected), curves=False)

    @requires(Access.OWNER)
    def stopped(self, request: gr.Request, selected: Any) -> Updates:
        """Stop at the end of the step, with a checkpoint."""
        return self._do(request, selected, self.supervisor.stop, "stopping")

    @requires(Access.OWNER)
    def stopped_now(self, request: gr.Request, selected: Any) -> Updates:
        """End the worker."""
        return self._do(request, selected, lambda run_id: self.supervisor.stop(run_id, now=True), "stopped_now")

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request, selected: Any) -> Updates:
        """Take a queued run out of the queue."""
        return self._do(request, selected, self.supervisor.cancel, "cancelled")

    @requires(Access.OWNER)
    def resumed(self, request: gr.Request, selected: Any) -> Updates:
        """Go on from the last checkpoint."""
        return self._do(request, selected, self.supervisor.resume, "resumed", reopen=True)

    @requires(Access.OWNER)
    def deleted(self, request: gr.Request, selected: Any) -> Updates:
        """Delete the run, once it was asked again."""
        return self._do(request, selected, self.supervisor.delete, "deleted")

    @requires(Access.OWNER)
    def renamed(self, request: gr.Request, selected: Any, name: Any) -> Updates:
        """Give the run another name."""
        return self._do(request, selected, lambda run_id: self.store.rename_run(run_id, str(name)), "renamed")

    @requires(Access.OWNER)
    def ask_delete(self, request: gr.Request, selected: Any) -> Updates:
        """Ask before deleting."""
        run = self.find(selected)
        sentence = say("train.delete_sure", language_of(request), name=run.name) if run else ""
        return {
            self.sure: html.escape(sentence),
            self.delete_row: gr.update(visible=run is not None),
            self.rename_row: gr.update(visible=False),
        }

    @requires(Access.OWNER)
    def ask_name(self, selected: Any) -> Updates:
        """Show the field for another name."""
        run = self.find(selected)
        return {
            self.name: run.name if run else "",
            self.rename_row: gr.update(visible=run is not None),
            self.delete_row: gr.update(visible=False),
        }

    # ---- what is shown

    def find(self, run_id: Any) -> Run | None:
        """The run, or None where it is gone."""
        try:
            return self.store.run(str(run_id))
        except LabError:
            return None

    def show(
        self, request: gr.Request, run_id: str, message: str = "", fresh: str = "", *, curves: bool = True
    ) -> Updates:
        """Updates for ``everything``; without that run, the newest. ``fresh`` makes the curves read the run again, and without
        ``curves`` they stay as they are."""
        run = self.find(run_id) or next(iter(self.store.runs()), None)
        if run is None:
            hidden = {part: gr.update(visible=False) for part in (self.panel, *self.rows, *self.buttons)}
            return {
                self.selected: "",
                self.list: "{}",
                self.watch: "{}",
                self.title: "",
                self.message: message,
                self.curves: "{}",
                self.cluster.line: self.cluster.shown(request),
            } | hidden
        updates: Updates = {
            self.selected: run.id,
            self.list: json.dumps({"selected": run.id, "state": run.state, "name": run.name}),
            self.watch: json.dumps({"run": run.id, "state": run.state}),
            self.panel: gr.update(visible=True),
            self.title: self._titled(run, language_of(request)),
            self.message: message,
            self.cluster.line: self.cluster.shown(request),
            **{row: gr.update(visible=False) for row in self.rows},
            **{button: gr.update(visible=visible) for button, visible in self._makes_sense(run).items()},
        }
        if curves:
            updates[self.curves] = json.dumps({"run": run.id, **({"fresh": fresh} if fresh else {})})
        return updates

    def _titled(self, run: Run, language: str) -> str:
        """The run's name, and beside it what tells it apart from others of that name; its id is there to be copied."""
        apart = run_titles(self.store, language).get(run.id, run.name).removeprefix(run.name).removeprefix(" · ")
        return f'<h2 title="{html.escape(run.id)}">{html.escape(run.name)}</h2><span>{html.escape(apart)}</span>{placed(self.store, run, language)}'

    def _makes_sense(self, run: Run) -> dict[gr.Button, bool]:
        """Which buttons do something for a run as it is now."""
        algorithm = ALGORITHMS[run.algorithm]
        has_model = run.state.ended and (self.store.folder(run.id).path / "model").is_dir()
        return {
            self.groups: algorithm.writes_groups and run.started is not None,
            self.stop: run.state is RunState.RUNNING,
            self.stop_now: run.state is RunState.RUNNING,
            self.cancel: run.state is RunState.QUEUED,
            self.resume: run.state.resumable,
            self.go_on: has_model and bool(algorithm.followed_by),
            self.ppo: has_model and not algorithm.writes_text,
            self.out: has_model,
            self.load: True,
            self.delete: run.state.ended,
        }

    def _do(
        self, request: gr.Request, selected: Any, act: Callable[[str], Any], told: str, *, reopen: bool = False
    ) -> Updates:
        """Do one thing with the selected run, and say what came of it."""
        language, run = language_of(request), self.find(selected)
        try:
            act(str(selected))
            now = self.find(selected)
            name = now.name if now else run.name if run else str(selected)
            message = notice(say(f"train.{told}", language, name=name))
        except LabError as error:
            reopen = False
            message = error_notice(error, request)
        fresh = f"{run.state}-{run.queued}" if reopen and run else ""
        return self.show(request, str(selected), message, fresh, curves=reopen or self.find(selected) is None)


OWNER_ONLY = "owner-only"
"""Left out for those who may only look (``page.css``); what these buttons call refuses them besides."""
HIDE_BOTH = "() => [{__type__: 'update', visible: false}, {__type__: 'update', visible: false}]"


def _button(i18n: gr.I18n, word: str, variant: Any = "secondary", classes: str | None = None) -> gr.Button:
    label, elem_id = i18n(f"train.{word}"), word.replace("_", "-")
    return gr.Button(label, variant=variant, size="sm", min_width=60, elem_id=elem_id, elem_classes=classes)
