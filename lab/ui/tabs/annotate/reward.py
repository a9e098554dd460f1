"""Does a reward agree with people? A section under Quality, for the owner: rules at once, a reward model by a job that is followed here."""

from __future__ import annotations

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
from lab.ui.awaited import Awaited
from lab.ui.gradio_shims import LIGHT
from lab.ui.job_progress import failure, progress, quiet
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
        slow: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        gr.on([tab.select, collection.input], self.looked, inputs, self.everything, **LIGHT)
        self.chosen.input(self.another, inputs, self.answer, **LIGHT)
        self.compare.click(self.asked, inputs, self.answer, **slow)
        self.cancel.click(self.cancelled, inputs, self.answer, **LIGHT)
        self.awaited.changed(self.another, inputs, self.answer, **LIGHT)

    @property
    def answer(self) -> list[Any]:
        """What another reward changes."""
        return [self.shown, self.cancel, self.awaited.component]

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.panel, self.chosen, *self.answer]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, collection: Any, chosen: Any) -> list[Any]:
        """The tab was opened, or another collection chosen."""
        language = language_of(request)
        choices = self._choices(language)
        values = [value for _, value in choices]
        value = chosen if chosen in values else values[0] if values else None
        there = bool(self.annotation.collections())
        select = gr.update(choices=choices, value=value)
        return [gr.update(visible=there), select, *self._answer(self._collection(collection), str(value), language)]

    @requires(Access.OWNER)
    def another(self, request: gr.Request, collection: Any, chosen: Any) -> list[Any]:
        """Another reward was chosen, or the jobs came further."""
        return self._answer(self._collection(collection), str(chosen), language_of(request))

    @requires(Access.OWNER)
    def asked(self, request: gr.Request, collection: Any, chosen: Any) -> list[Any]:
        """Compare: rules here and now, a reward model by a job."""
        language, where, reward = language_of(request), self._collection(collection), str(chosen or "")
        try:
            if reward.startswith(RUN):
                mark = jobs_mark(self.store.home)
                return self._of_model(self.scored.ask(where, reward, user_of(request).name), mark, language)
            found = rules_agree(self.store, where, rules_named(self.store, reward.removeprefix(RULES_OF)))
        except LabError as error:
            return _told(_refused(error, language))
        return _told(agreement(found.agreement, language, found.failures))

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request, collection: Any, chosen: Any) -> list[Any]:
        """Cancel the job."""
        where = self._collection(collection)
        try:
            self.scored.cancel(where, str(chosen))
        except StateError as error:  # it has just ended
            return _told(notice(problem(error, language_of(request)), "problem"))
        return self._answer(where, str(chosen), language_of(request))

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

    def _answer(self, collection: str, reward: str, language: str) -> list[Any]:
        """What is known without asking anew: what a job gave or is about to give, else what to do next."""
        mark = jobs_mark(self.store.home)  # before the look: then no change falls between
        try:
            decided_in(self.store, collection)
            looked = self.scored.look(collection, reward) if reward.startswith(RUN) else Looked()
        except LabError as error:
            return _told(_refused(error, language))
        return self._of_model(looked, mark, language)

    def _of_model(self, looked: Looked, mark: str, language: str) -> list[Any]:
        if looked.agreement is not None:
            return _told(agreement(looked.agreement, language))
        job = looked.job
        if job is None:
            return _told(quiet(say("agree.choose", language)))
        state = RunState(job["state"])
        if not state.ended:
            waits = Awaited.waits({Topic.JOBS: mark})
            return [progress(job, language, "agree.working"), gr.update(visible=True), waits]
        if state is RunState.STOPPED:
            return _told(quiet(say("agree.stopped", language)))
        return _told(failure(job, language))


def _refused(error: LabError, language: str) -> str:
    """Nothing judged yet is no failure."""
    told = problem(error, language)
    return quiet(told) if error.key in ("agree_nothing", "no_such_collection") else notice(told, "problem")


def _told(shown: str) -> list[Any]:
    return [shown, gr.update(visible=False), Awaited.waits({})]
