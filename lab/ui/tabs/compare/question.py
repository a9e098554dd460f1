"""*Same question, every algorithm*: one prompt, asked of the base and of every group's model alike, the answers side by side.

Answers come from jobs of kind ``sample`` (``lab/runs/same_question.py``); those that are there already are shown at once. The pairs of
answers can be judged blind; the votes come back as Bradley–Terry strengths. Not here: how a card looks (``answers.py``).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.strengths import strengths
from lab.compare.selection import Selected, Selections, parse_selection
from lab.core.access import Access, requires, user_of
from lab.core.recipes import RuleUse
from lab.errors import InputError, LabError
from lab.runs.changes import Topic
from lab.runs.same_question import COMPLETIONS, Answers, Moment, answerers, answers, ask, blind_pairs, kept_steps
from lab.runs.supervisor import Supervisor
from lab.sandbox.rewards import Weighed, weighed
from lab.store.runs import Store
from lab.ui.awaited import Awaited
from lab.ui.handlers import LIGHT, SLOW, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.presets import Presets, usual
from lab.ui.tabs.compare import answers as cards
from lab.ui.tabs.train.choices import RuleSetChoices
from lab.words import form, say
from lab.words.sentences import language_of

FIRST_PROMPT, FIRST_ANSWER = "解方程 3x + 5 = 20", "5"
"""The worked example of the course."""


class Question:
    """Draws the part where it is made; ``wire`` connects it."""

    def __init__(
        self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n, selections: Selections
    ) -> None:
        self.store, self.supervisor, self.presets, self.selections = store, supervisor, presets, selections
        self.annotation, self.rule_sets = Annotation(store), RuleSetChoices(store, presets)
        self.heading = gr.HTML()
        with gr.Column(elem_id="compare-question"):
            with gr.Row(elem_classes="compare-row"):
                self.prompt = gr.Textbox(
                    FIRST_PROMPT, label=i18n("compare.prompt"), max_length=2000, elem_id="question-prompt", scale=3
                )
                self.answer = gr.Textbox(
                    FIRST_ANSWER, label=i18n("compare.answer"), max_length=400, elem_id="question-answer", scale=1
                )
                self.rules = gr.Dropdown(
                    [], label=i18n("compare.rules"), elem_id="question-rules", interactive=True, scale=2
                )
            with gr.Row(elem_classes="compare-row"):
                self.seed = gr.Radio(
                    ["1", "2", "3"],
                    value="1",
                    label=i18n("compare.seed"),
                    elem_id="question-seed",
                    elem_classes="pills",
                )
                self.moment = gr.Dropdown(
                    [(i18n(f"compare.moment.{each}"), each.value) for each in Moment], value=Moment.END.value,
                    label=i18n("compare.checkpoint"), elem_id="question-moment", interactive=True, filterable=False,
                )  # fmt: skip
                self.number = gr.Radio(
                    [str(number + 1) for number in range(COMPLETIONS)], value="1", label=i18n("compare.number"),
                    elem_id="question-number", elem_classes="pills",
                )  # fmt: skip
            with gr.Row(elem_classes="actions"):
                self.asks = gr.Button(
                    i18n("compare.ask"), variant="primary", size="sm", elem_id="question-ask", elem_classes="owner-only"
                )
                self.blind = gr.Button(
                    i18n("compare.blind"), size="sm", elem_id="question-blind", elem_classes="owner-only"
                )
        self.message = gr.HTML(elem_id="question-message")
        self.cards = gr.HTML(elem_id="question-cards")
        self.votes = gr.HTML(elem_id="question-votes")
        self.awaited = Awaited()

    @property
    def offers(self) -> list[Any]:
        """What another choice of runs changes."""
        return [self.heading, self.rules, self.moment, self.cards, self.votes, self.message]

    def wire(self, choice: list[Any], view: str) -> None:
        """Connect the events; ``choice`` are the inputs that say which runs are compared, the page's look last."""
        study, runs, look = choice
        inputs = [study, runs, self.prompt, self.answer, self.rules, self.seed, self.moment, self.number, look]
        outputs = [self.cards, self.message, self.votes, self.moment, self.awaited.component]
        self.asks.click(self.asked, inputs, outputs, js=view, **SLOW)
        self.blind.click(self.to_judge, inputs, outputs, js=view, **SLOW)
        again = [
            self.seed.input,
            self.moment.input,
            self.number.input,
            self.rules.input,
            self.prompt.submit,
            self.answer.submit,
        ]
        gr.on(again, self.looked, inputs, outputs, js=view, trigger_mode="always_last", **LIGHT)
        self.awaited.changed(self.looked, inputs, outputs, js=view)

    # ---- what was clicked

    @requires(Access.OWNER)
    def asked(self, request: gr.Request, *values: Any) -> Updates:
        """Ask every model that has not answered this question."""
        return self._do(request, _Question(values), self._ask)

    @requires(Access.OWNER)
    def to_judge(self, request: gr.Request, *values: Any) -> Updates:
        """Make a collection of the answers, to be judged without knowing whose they are."""
        return self._do(request, _Question(values), self._collect)

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, *values: Any) -> Updates:
        """Another answer, rule set or prompt; or a job came further."""
        return self._do(request, _Question(values), lambda question, request: "")

    def offered(self, selected: Selected, language: str) -> Updates:
        """Updates for ``offers`` where other runs are compared: answers to the question that stands there, as far as there are any."""
        first = usual(self.presets.of_algorithm("grpo"))
        standing = str(form.entered(self.presets.recipe(first))[form.RULES]) if first else "[]"
        question = _Question(("", [], FIRST_PROMPT, FIRST_ANSWER, standing, "1", Moment.END, "1", "{}"))
        found = self._answers(selected, question)
        return {
            self.heading: cards.heading(language),
            self.rules: gr.update(choices=self.rule_sets.choices("grpo", language, standing), value=standing),
            self.moment: self._moments(selected, question, language),
            self.cards: cards.cards(found, question.number, language),
            self.votes: self._strengths(question, language),
            self.message: "",
        }

    # ---- inside

    def _do(self, request: gr.Request, question: _Question, act: Any) -> Updates:
        language = language_of(request)
        marks: dict[str, str] = {Topic.JOBS: self.supervisor.changes.marks()[Topic.JOBS]}
        try:
            told = act(question, request)
            selected = self._selected(question, language)
            found = self._answers(selected, question)
        except LabError as error:
            return {self.message: error_notice(error, request)}
        waits = any(each.job is not None and not each.job.state.ended for each in found)
        return {
            self.message: notice(told),
            self.cards: cards.cards(found, question.number, language),
            self.votes: self._strengths(question, language),
            self.moment: self._moments(selected, question, language),
            self.awaited.component: Awaited.waits(marks if waits else {}),
        }

    def _moments(self, selected: Selected, question: _Question, language: str) -> Any:
        """What can be chosen: start, middle, end, and each step that one of the runs keeps a checkpoint of."""
        choices = [(say(f"compare.moment.{each}", language), each.value) for each in Moment]
        steps = kept_steps(selected, self.store, question.seed)
        choices += [(say("compare.at_step", language, step=step), str(step)) for step in steps]
        standing = str(question.moment)
        if standing not in dict(choices).values():  # a checkpoint that was deleted since, or another run's
            choices.append((say("compare.at_step", language, step=standing), standing))
        return gr.update(choices=choices, value=standing)

    def _selected(self, question: _Question, language: str) -> Selected:
        marks = self.supervisor.changes.marks()
        selection = parse_selection(question.study, question.runs)
        return self.selections.read(selection, marks[Topic.RUNS], marks[Topic.PROGRESS]).worded(language)

    def _answers(self, selected: Selected, question: _Question) -> list[Answers]:
        who = answerers(selected, self.store, question.seed, question.moment)
        return answers(who, self.supervisor.jobs, question.prompt, question.answer, question.seed, question.rules)

    def _ask(self, question: _Question, request: gr.Request) -> str:
        language = language_of(request)
        who = answerers(self._selected(question, language), self.store, question.seed, question.moment)
        by = user_of(request).id
        count = ask(who, self.supervisor.jobs, question.prompt, question.answer, question.seed, by)
        return say("compare.asked" if count else "compare.asked_before", language, count=count)

    def _collect(self, question: _Question, request: gr.Request) -> str:
        language = language_of(request)
        rows = blind_pairs(self._answers(self._selected(question, language), question), question.prompt)
        if not rows:
            raise InputError("compare_nothing_to_judge")
        name = question.collection
        into = next((each.id for each in self.annotation.collections() if each.name == name), None)
        imported = self.annotation.import_rows(rows, name=name, into=into)
        return say("compare.to_judge", language, name=name, count=imported.taken)

    def _strengths(self, question: _Question, language: str) -> str:
        """The strengths that votes on this question's answers give, where there are any."""
        name = question.collection
        collection = next((each for each in self.annotation.collections() if each.name == name), None)
        if collection is None:
            return ""
        return cards.votes(strengths(self.annotation.compare_sources(collection.id)), name, language)


class _Question:
    """What the page sends, checked."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        study, runs, prompt, answer, rules, seed, moment, number, _look = values
        self.study, self.runs = str(study or ""), [str(run) for run in runs or []]
        self.prompt, self.answer = str(prompt or "")[:2000], str(answer or "")[:400]
        self._rules = rules
        self.seed = int(seed) if str(seed).isdecimal() else 1
        self.moment = _moment(str(moment))
        self.number = int(number) - 1 if str(number).isdecimal() and 1 <= int(number) <= COMPLETIONS else 0

    @property
    def rules(self) -> list[Weighed]:
        """The rules that score the answers. Raises RuleError, InputError."""
        entries = form.rules_of(self._rules)
        try:
            uses = [RuleUse.model_validate(entry) for entry in entries] if isinstance(entries, list) else []
        except ValueError as error:
            raise InputError("compare_rules", why=str(error).splitlines()[0][:120]) from None
        return weighed(uses, trusting=False)

    @property
    def collection(self) -> str:
        """The name of the collection in which the answers to this question are judged."""
        of = json.dumps([self.study, self.runs, self.prompt, self.seed, self.moment], ensure_ascii=False)
        mark = hashlib.sha256(of.encode()).hexdigest()[:4]
        return f"{self.prompt.strip()[:60]} · {mark}"


def _moment(text: str) -> Moment | int:
    """A moment by its name, or the step of a checkpoint; the end where it is neither."""
    if text.isdecimal():
        return int(text[:9])
    return Moment(text) if text in list(Moment) else Moment.END
