"""Below the buttons of a run: taking its model, or a script of it, out of the lab. Each is a job; what it has written is offered as one file.

What is waited for stands in the browser, so that a reload goes on waiting. Not here: what is written (``lab/training/out``,
``lab/training/eject``), and the command line's door to the same (``lab/commands/out.py``).
"""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from lab.core.access import Access, requires, user_of
from lab.core.jobs import Kind, parse_job
from lab.core.out_jobs import Gguf
from lab.errors import LabError
from lab.runs.changes import Topic, jobs_mark
from lab.runs.jobs import Jobs
from lab.store.runs import RunState, Store
from lab.ui.awaited import Awaited, failure, progress
from lab.ui.handlers import LIGHT, Updates, error_notice
from lab.ui.notice import notice
from lab.words import say
from lab.words.sentences import language_of


class LeaveLab:
    """Draws the row where it is made; ``wire`` connects it to the button that opens it.

    ``waiting`` is drawn by the caller, outside whatever may be hidden: Gradio reads a browser's state only where it is drawn, and a
    panel that is hidden while the page opens would forget the job.
    """

    def __init__(self, store: Store, jobs: Jobs, waiting: gr.BrowserState, i18n: gr.I18n) -> None:
        self.store, self.jobs, self.waiting = store, jobs, waiting
        with gr.Column(visible=False, min_width=0, elem_id="leave", elem_classes="owner-only") as self.row:
            gr.HTML(i18n("train.out_hint"), elem_classes="quiet")
            self.merge = gr.Checkbox(False, label=i18n("train.out_merge"), min_width=0, elem_id="out-merge")
            formats = [(i18n("train.out_no_gguf"), ""), *((kind.value, kind.value) for kind in Gguf if kind)]
            self.gguf = gr.Dropdown(formats, value="", label=i18n("train.out_gguf"), min_width=0, elem_id="out-gguf")
            with gr.Row(elem_classes="actions"):
                self.write = _button(i18n, "out_write", variant="primary")
                self.eject = _button(i18n, "out_eject")
                self.close = _button(i18n, "out_close")
        self.told = gr.HTML(elem_id="out-told")
        with gr.Row(
            elem_classes=["actions", "owner-only"]
        ):  # not in the row: what is being written can be ended while that is closed
            self.cancel = _button(i18n, "out_cancel", visible=False)
        self.awaited = Awaited()

    def wire(self, blocks: gr.Blocks, opens: gr.Button, selected: gr.BrowserState) -> None:
        """Connect the events."""
        opens.click(self.show_leaving, None, [self.row], **LIGHT)
        self.close.click(self.hide_leaving, [self.waiting], [self.row, self.told], **LIGHT)
        self.write.click(self.written, [selected, self.merge, self.gguf], self.outputs, **LIGHT)
        self.eject.click(self.ejected, [selected], self.outputs, **LIGHT)
        self.cancel.click(self.cancelled, [self.waiting], None, **LIGHT)
        blocks.load(self.looked, [self.waiting], self.outputs, **LIGHT)
        self.awaited.changed(self.looked, [self.waiting], self.outputs)

    @property
    def outputs(self) -> list[Any]:
        """What waiting changes."""
        return [self.told, self.waiting, self.awaited.component, self.cancel]

    @requires(Access.OWNER)
    def show_leaving(self) -> Updates:
        """Show the row."""
        return {self.row: gr.update(visible=True)}

    @requires(Access.OWNER)
    def hide_leaving(self, waiting: Any) -> Updates:
        """Hide the row; what is being written goes on, and still says how far it is."""
        return {self.row: gr.update(visible=False), self.told: gr.skip() if _job_of(waiting) else ""}

    @requires(Access.OWNER)
    def written(self, request: gr.Request, selected: Any, merge: Any, gguf: Any) -> Updates:
        """Ask for the model of the selected run."""
        return self._asked(request, Kind.OUT, {"run": str(selected), "merge": bool(merge), "gguf": gguf or ""})

    @requires(Access.OWNER)
    def ejected(self, request: gr.Request, selected: Any) -> Updates:
        """Ask for a script of the selected run."""
        return self._asked(request, Kind.EJECT, {"run": str(selected)})

    @requires(Access.OWNER)
    def cancelled(self, waiting: Any) -> None:
        """End the job; the next look says so."""
        if job_id := _job_of(waiting):
            self.jobs.cancel(job_id)

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, waiting: Any) -> Updates:
        """How far the job is that this browser waits for; where it waits for none, what is being written for an owner in another."""
        job_id = _job_of(waiting)
        if not job_id and user_of(request).access >= Access.OWNER:
            job_id = self._going_on()
        if not job_id:
            return self._waits("")
        language = language_of(request)
        try:
            job = self.jobs.summary(job_id)
        except LabError:
            return self._waits("")
        if job["state"] == RunState.FINISHED:
            return self._waits("", self._done(job_id, language))
        if job["state"] == RunState.STOPPED:
            return self._waits("", notice(say("train.out_stopped", language), "quiet"))
        if RunState(job["state"]).ended:
            return self._waits("", failure(job, language))
        return self._waits(job_id, progress(job, language, "train.out_working"))

    def _going_on(self) -> str:
        jobs = (job for job in self.jobs.jobs() if job.kind in (Kind.OUT, Kind.EJECT))
        return next((job.id for job in jobs if not job.state.ended), "")

    def _asked(self, request: gr.Request, kind: Kind, values: dict[str, Any]) -> Updates:
        try:
            job = self.jobs.submit(parse_job(kind, values), by=user_of(request).name)
        except LabError as error:
            return self._waits("", error_notice(error, request))
        return self._waits(job.id, progress(self.jobs.summary(job.id), language_of(request), "train.out_working"))

    def _waits(self, job_id: str, told: str = "") -> Updates:
        marks: dict[str, str] = {Topic.JOBS: jobs_mark(self.store.home)} if job_id else {}
        if job_id and self.jobs.job(job_id).state.ended:  # meanwhile: look again at once
            marks = {Topic.JOBS: ""}
        return {
            self.told: told,
            self.waiting: {"job": job_id} if job_id else {},
            self.awaited.component: Awaited.waits(marks),
            self.cancel: gr.update(visible=bool(job_id)),
        }

    def _done(self, job_id: str, language: str) -> str:
        """A link to what was written, and the line that does the same."""
        job = self.jobs.job(job_id)
        spec, run_id = job.spec, str(job.spec["run"])
        result = job.result or {}
        flags = (" --merge" if spec.get("merge") else "") + (f" --gguf {spec['gguf']}" if spec.get("gguf") else "")
        line = html.escape(f"python -m lab {job.kind.value} {run_id} DIR{flags}")
        key = "train.out_done" if job.kind is Kind.OUT else "train.out_ejected"
        sentence = html.escape(
            say(key, language, files=len(result.get("files") or []), **(result.get("checked") or {}))
        )
        link = html.escape(say("train.out_download", language))
        address = f"api/jobs/{html.escape(job_id, quote=True)}/out.tar"
        return (
            f'<div class="note" role="status"><p>{sentence} <a href="{address}" download>{link}</a></p>'
            f"<p>{html.escape(say('train.command', language))}: <code>{line}</code></p></div>"
        )


def _job_of(waiting: Any) -> str:
    """The job in what a browser keeps; empty where it waits for none."""
    return str(waiting.get("job") or "") if isinstance(waiting, dict) else ""


def _button(i18n: gr.I18n, word: str, **more: Any) -> gr.Button:
    return gr.Button(i18n(f"train.{word}"), size="sm", min_width=60, elem_id=word.replace("_", "-"), **more)
