"""Does a reward agree with people? A section under Quality, for the owner: rules at once, a reward model by a job that is followed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.rewarded_pairs import decided_in, rules_agree, rules_named
from lab.core.access import Access, requires, user_of
from lab.errors import LabError, StateError
from lab.rules import RULES
from lab.runs.changes import Topic, jobs_mark
from lab.runs.scored_pairs import Looked, ScoredPairs
from lab.sandbox.rewards import by_name
from lab.store.rule_sets import RuleSets
from lab.store.runs import RunState, Store
from lab.ui.awaited import Awaited, failure, progress
from lab.ui.handlers import LIGHT, SLOW, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.tabs.annotate.agreement import agreement
from lab.words import say
from lab.words.sentences import language_of, problem

RUN, RULES_OF = "run:", "rules:"


class RewardPart:
    """Draws the section where it is made; ``wire`` connects it to the tab and to its choice of a collection."""

    def __init__(self, annotation: Annotation, scored: ScoredPairs, store: Store, i18n: gr.I18n) -> None:
        self.annotation, self.scored, self.store = annotation, scored, store
        with gr.Column(visible=False, elem_id="agree") as self.panel:
            gr.HTML(i18n("agree.title"), elem_classes="section")
            gr.HTML(i18n("agree.hint"), elem_classes="quiet")
            with gr.Row(elem_classes="chooser"):
                self.chosen = gr.Dropdown([], label=i18n("agree.reward"), interactive=True, elem_id="agree-reward")
            with gr.Row(elem_classes="actions"):
                self.compare = gr.Button(i18n("agree.compare"), variant="primary", size="sm", elem_id="agree-compare")
                self.cancel = gr.Button(i18n("agree.cancel"), size="sm", visible=False, elem_id="agree-cancel")
            self.shown = gr.HTML(elem_id="agreement")
        self.awaited = Awaited()

    def wire(self, tab: gr.Tab, collection: gr.Dropdown) -> None:
        """Connect the events."""
        inputs = [collection, self.chosen]
        gr.on([tab.select, collection.input], self.looked, inputs, self.everything, **LIGHT)
        self.chosen.input(self.another, inputs, self.answer, **LIGHT)
        self.compare.click(self.asked, inputs, self.answer, **SLOW)
        self.cancel.click(self.cancelled, inputs, self.answer, **LIGHT)
        self.awaited.changed(self.another, inputs, self.answer)

    @property
    def answer(self) -> list[Any]:
        """What another reward changes."""
        return [self.shown, self.cancel, self.awaited.component]

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.panel, self.chosen, *self.answer]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, collection: Any, chosen: Any) -> Updates:
        """The tab was opened, or another collection chosen."""
        language = language_of(request)
        choices = self._choices(language)
        values = [value for _, value in choices]
        value = chosen if chosen in values else values[0] if values else None
        return {
            self.panel: gr.update(visible=bool(self.annotation.collections())),
            self.chosen: gr.update(choices=choices, value=value),
            **self._answer(self._collection(collection), str(value), request),
        }

    @requires(Access.OWNER)
    def another(self, request: gr.Request, collection: Any, chosen: Any) -> Updates:
        """Another reward was chosen, or the jobs came further."""
        return self._answer(self._collection(collection), str(chosen), request)

    @requires(Access.OWNER)
    def asked(self, request: gr.Request, collection: Any, chosen: Any) -> Updates:
        """Compare: rules here and now, a reward model by a job."""
        language, where, reward = language_of(request), self._collection(collection), str(chosen or "")
        try:
            if reward.startswith(RUN):
                mark = jobs_mark(self.store.home)
                return self._of_model(self.scored.ask(where, reward, user_of(request).name), mark, language)
            scored = rules_agree(self.store, where, rules_named(self.store, reward.removeprefix(RULES_OF)))
        except LabError as error:
            return self._shows(_refused(error, request))
        return self._shows(agreement(scored.agreement, language, scored.failures))

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request, collection: Any, chosen: Any) -> Updates:
        """Cancel the job."""
        where = self._collection(collection)
        try:
            self.scored.cancel(where, str(chosen))
        except StateError as error:  # it has just ended
            return self._shows(error_notice(error, request))
        return self._answer(where, str(chosen), request)

    # ---- what is shown

    def _choices(self, language: str) -> list[tuple[str, str]]:
        """Reward models, then saved rule sets, then rules by their labels."""
        label = "label_zh" if language == "zh" else "label_en"
        runs = [(say("agree.of_run", language, name=run.name), RUN + run.id) for run in self.scored.models()]
        sets = [
            (say("agree.of_set", language, name=one.name), RULES_OF + one.name) for one in RuleSets(self.store).list()
        ]
        taken = {value for _, value in sets}
        rules = [
            (say("agree.of_rule", language, name=getattr(RULES.get(name), label, name)), RULES_OF + name)
            for name in by_name()
            if RULES_OF + name not in taken
        ]
        return runs + sets + rules

    def _collection(self, chosen: Any) -> str:
        """That collection, or the newest one, as Quality shows it."""
        ids = [one.id for one in self.annotation.collections()]
        return str(chosen) if chosen in ids else next(iter(ids), "")

    def _answer(self, collection: str, reward: str, request: gr.Request) -> Updates:
        """What is known without another job: the result or the progress of an earlier one, else what to do next."""
        mark = jobs_mark(self.store.home)  # read before the jobs, so that no change falls between
        try:
            decided_in(self.store, collection)
            looked = self.scored.look(collection, reward) if reward.startswith(RUN) else Looked()
        except LabError as error:
            return self._shows(_refused(error, request))
        return self._of_model(looked, mark, language_of(request))

    def _of_model(self, looked: Looked, mark: str, language: str) -> Updates:
        if looked.agreement is not None:
            return self._shows(agreement(looked.agreement, language))
        job = looked.job
        if job is None:
            return self._shows(notice(say("agree.choose", language), "quiet"))
        state = RunState(job["state"])
        if not state.ended:
            return self._shows(progress(job, language, "agree.working"), {Topic.JOBS: mark})
        if state is RunState.STOPPED:
            return self._shows(notice(say("agree.stopped", language), "quiet"))
        return self._shows(failure(job, language))

    def _shows(self, shown: str, marks: Mapping[str, str] | None = None) -> Updates:
        """Updates for ``answer``; with ``marks`` a job is awaited, and can be cancelled."""
        return {
            self.shown: shown,
            self.cancel: gr.update(visible=bool(marks)),
            self.awaited.component: Awaited.waits(marks or {}),
        }


def _refused(error: LabError, request: gr.Request) -> str:
    """The sentence of an error; that nothing is judged yet is no failure."""
    if error.key in ("agree_nothing", "no_such_collection"):
        return notice(problem(error, language_of(request)), "quiet")
    return error_notice(error, request)
