"""Pairs of completions that are sampled now, on the Annotate tab: one model twice, or two models once each, at the same prompts.

The sampling is a job, or one for each model. What is waited for stands in the browser, so that a reload goes on waiting.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.pairs import settings_from
from lab.annotation.sources import Imported
from lab.core.access import Access, requires
from lab.core.jobs import Kind, parse_job
from lab.errors import StateError
from lab.runs.changes import Topic, jobs_mark
from lab.runs.jobs import Jobs
from lab.store.runs import RunState
from lab.ui.awaited import Awaited, failure, progress
from lab.ui.handlers import LIGHT, Updates
from lab.ui.notice import notice
from lab.ui.tabs.train.choices import StartChoices
from lab.words import say
from lab.words.sentences import language_of

SAMPLED = {"temperature": 1.0, "max_completion_length": 64, "count": 50}


@dataclass(frozen=True)
class Looked:
    """What has become of the jobs: what to show, whether they are still waited for, and what was taken in."""

    shown: str
    waits: bool = False
    taken: Imported | None = None


class SampleNow:
    """Draws the fields where it is made, and what waits where ``draw_waiting`` is called; ``AddPairs`` has the button, and where the
    pairs go."""

    def __init__(self, annotation: Annotation, jobs: Jobs, starts: StartChoices, i18n: gr.I18n) -> None:
        self.annotation, self.jobs, self.starts = annotation, jobs, starts
        gr.HTML(i18n("annotate.sample_hint"), elem_classes="quiet")
        with gr.Row(elem_classes="side-by-side"):
            self.model = gr.Dropdown(
                ["tiny"],
                value="tiny",
                label=i18n("annotate.sample_model"),
                allow_custom_value=True,
                elem_id="sample-model",
            )
            same = [(i18n("annotate.sample_same"), "")]
            self.other = gr.Dropdown(
                same, value="", label=i18n("annotate.sample_other"), allow_custom_value=True, elem_id="sample-other"
            )
        with gr.Row(elem_classes="side-by-side"):
            self.dataset = gr.Dropdown(
                ["equations"], value="equations", label=i18n("annotate.sample_data"),
                allow_custom_value=True, elem_id="sample-data",
            )  # fmt: skip
            self.count = gr.Number(SAMPLED["count"], precision=0, label=i18n("annotate.sample_count"))
        with gr.Row(elem_classes="side-by-side"):
            self.temperature = gr.Number(SAMPLED["temperature"], step=0.1, label=i18n("annotate.sample_temperature"))
            longest = SAMPLED["max_completion_length"]
            self.longest = gr.Number(longest, precision=0, label=i18n("annotate.sample_longest"))

    def draw_waiting(self, i18n: gr.I18n) -> None:
        """What waits; outside the column of the fields, since what stands in a hidden one neither listens nor is remembered."""
        self.cancel = gr.Button(i18n("agree.cancel"), size="sm", visible=False, elem_id="sample-cancel")
        self.waiting = gr.BrowserState({}, storage_key="lab-sampling", secret="alignment-lab")
        self.awaited = Awaited()

    def wire(self) -> None:
        """Connect the choosers; what follows a change of the jobs is ``AddPairs``'s."""
        for chooser, offered in (
            (self.model, self.models_offered),
            (self.other, self.others_offered),
            (self.dataset, self.data_offered),
        ):
            chooser.focus(offered, None, [chooser], **LIGHT)
        self.cancel.click(self.cancelled, [self.waiting], None, **LIGHT)

    @property
    def fields(self) -> dict[str, Any]:
        """What is sent when pairs are added, by name."""
        return {
            "model": self.model,
            "other": self.other,
            "dataset": self.dataset,
            "count": self.count,
            "temperature": self.temperature,
            "max_completion_length": self.longest,
        }

    @property
    def outputs(self) -> list[Any]:
        """What waiting changes."""
        return [self.waiting, self.awaited.component, self.cancel]

    def waits(self, waiting: dict[str, Any]) -> Updates:
        """Updates for ``outputs``; nothing is waited for where it is empty."""
        marks: dict[str, str] = {Topic.JOBS: jobs_mark(self.annotation.store.home)} if waiting else {}
        if any(self.jobs.job(name).state.ended for name in _jobs(waiting)):  # meanwhile: look again at once
            marks = {Topic.JOBS: ""}
        return {
            self.waiting: waiting,
            self.awaited.component: Awaited.waits(marks),
            self.cancel: gr.update(visible=bool(waiting)),
        }

    @requires(Access.OWNER)
    def models_offered(self, request: gr.Request) -> Updates:
        """The models that are here."""
        return {self.model: gr.update(choices=self.starts.models(language_of(request)))}

    @requires(Access.OWNER)
    def others_offered(self, request: gr.Request) -> Updates:
        """The same model once more, or another one."""
        language = language_of(request)
        same = say("annotate.sample_same", language)
        return {self.other: gr.update(choices=[(same, ""), *self.starts.models(language)])}

    @requires(Access.OWNER)
    def data_offered(self, request: gr.Request) -> Updates:
        """Where prompts come from."""
        return {self.dataset: gr.update(choices=self.starts.data("grpo", language_of(request)))}

    @requires(Access.OWNER)
    def cancelled(self, waiting: Any) -> None:
        """Cancel the jobs; the next look says so."""
        for job in _jobs(waiting):
            try:
                self.jobs.cancel(job)
            except StateError:  # it has just ended
                continue

    def begin(self, by: str, target: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
        """Ask for the jobs; what is then waited for. Raises LabError."""
        names = (str(sent[field] or "").strip() for field in ("model", "other"))
        models = [name for name in dict.fromkeys(names) if name]
        values = {name: value for name, value in sent.items() if name not in ("model", "other")}
        values["completions"] = 1 if len(models) > 1 else 2
        values["seed"] = secrets.randbelow(2**31)  # other prompts each time
        specs = [parse_job(Kind.SAMPLE, {"model": model, **values}) for model in models or [""]]
        kept = dict(target)
        if "settings" in target:
            kept |= {"settings": target["settings"].model_dump(), "name": target["name"] or " · ".join(models)[:120]}
        return {**kept, "jobs": [self.jobs.submit(spec, by).id for spec in specs]}

    def look(self, waiting: Any, language: str) -> Looked:
        """How far the jobs are; once all have finished, their pairs are taken in. Raises LabError where one failed."""
        names = _jobs(waiting)
        summaries = [self.jobs.summary(name) for name in names]
        for job in summaries:
            state = RunState(job["state"])
            if state is RunState.STOPPED:
                return Looked(notice(say("annotate.sample_stopped", language), "quiet"))
            if state.ended and state is not RunState.FINISHED:
                return Looked(failure(job, language))
        going = next((job for job in summaries if job["state"] != RunState.FINISHED), None)
        if going is not None:
            return Looked(progress(going, language, "annotate.sample_working"), waits=True)
        target = {key: waiting[key] for key in ("into", "name") if key in waiting}
        if "settings" in waiting:
            target["settings"] = settings_from(waiting["settings"])
        return Looked("", taken=self.annotation.import_jobs(*names, **target))


def _jobs(waiting: Any) -> list[str]:
    """The jobs that a browser says it waits for: one, or two."""
    names = waiting.get("jobs") if isinstance(waiting, dict) else None
    return [str(name) for name in names][:2] if isinstance(names, list) else []
