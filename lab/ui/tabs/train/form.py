"""The left half of the Train tab: which preset, what it will do, its fields, and the button that starts it.

What is typed is kept in the browser (``draft.js``), preset by preset: it survives another choice, a reload and a restart. The browser
sends the whole draft whenever a person changed it, and one handler answers with all that the form says: one request an edit, and
nothing that the server writes is sent back as an edit.
Not here: its fields (``fields.py``), the runs that came of it (``runs.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.core.recipes import Recipe, parse
from lab.errors import LabError, RecipeError
from lab.runs.estimate import Estimator
from lab.runs.preview import Previews
from lab.runs.run_time import RunTimes
from lab.runs.supervisor import Supervisor
from lab.store.runs import Run, RunState, Store
from lab.ui.copy_button import COPIES, ICON
from lab.ui.draft import ASKING, SEEN, SENT, Draft, Wait, draft_component, message, read_draft
from lab.ui.handlers import LIGHT, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.presets import PresetChooser, Presets, model_of, usual
from lab.ui.tabs.train.cost import CostLine
from lab.ui.tabs.train.fetch import FetchRow
from lab.ui.tabs.train.fields import RecipeFields
from lab.ui.tabs.train.next import Filled, NextRecipes
from lab.ui.tabs.train.preview import PreviewPane
from lab.words import form, say
from lab.words.sentences import bounds, language_of, plan, problem

COMMAND = f"""<div class="command"><code>{{{{value}}}}</code>
<button type="button" aria-label="Copy / 复制" title="Copy / 复制">{ICON}</button></div>"""
"""The double braces escape what they fill in."""


class TrainForm:
    """Draws the form where it is made, and ``draft`` where the page renders it; ``wire`` connects it."""

    def __init__(self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n) -> None:
        self.store, self.supervisor, self.presets, self.i18n = store, supervisor, presets, i18n
        self.draft, self.next = draft_component(), NextRecipes(store, presets)
        self._draw()

    # ---- the look of it

    def _draw(self) -> None:
        answered = self.supervisor.changes.answered
        self.chooser = PresetChooser(self.presets, self.i18n)
        self.about = gr.HTML(elem_id="about")
        self.plan = gr.HTML(elem_id="plan", js_on_load=SEEN)
        self.cost = CostLine(
            Estimator(self.store.home, answered),
            RunTimes(self.store.home, answered),
            lambda: bool(self.store.in_state(RunState.RUNNING)),
        )
        self.fields = RecipeFields(self.store, self.presets, self.i18n)
        self.preview = PreviewPane(Previews(self.store.home, answered), self.i18n)
        with gr.Column(elem_id="start-bar"):
            self.fetch = FetchRow(self.store, self.supervisor, self.i18n)
            with gr.Row(elem_classes="start-row"):
                self.start = gr.Button(
                    self.i18n("train.start"),
                    variant="primary",
                    elem_id="start",
                    elem_classes="owner-only",
                    min_width=120,
                )
                self.command = gr.HTML(elem_id="command", html_template=COMMAND, js_on_load=COPIES)
            gr.HTML(self.i18n("train.owner_why"), elem_classes="owner-why")
            self.message = gr.HTML(elem_id="message")
            with gr.Row(elem_classes="edited-row", visible=False) as self.edited_row:
                gr.HTML(self.i18n("train.edited"), elem_classes="quiet")
                self.reset = gr.Button(self.i18n("train.reset"), size="sm", min_width=80)
                self.back = gr.Button(self.i18n("train.back"), size="sm", min_width=80, visible=False)

    # ---- events

    def wire(self) -> None:
        """Connect the events; those of the Start button are the tab's."""
        self.draft.select(self.answered, [self.draft], self.everything, js=ASKING, trigger_mode="always_last", **LIGHT)
        self.fetch.get.click(self.fetch_asked, [self.draft], self.everything, js=SENT, **LIGHT)
        self.fetch.cancel.click(self.fetch_ended, [self.draft], self.everything, js=SENT, **LIGHT)
        self.reset.click(None, js="() => void window.labDraft.reset()", **LIGHT)
        self.back.click(None, js="() => void window.labDraft.back()", **LIGHT)
        self.chooser.wire()
        self.preview.wire()
        self.fields.wire()

    @property
    def everything(self) -> list[Any]:
        """What an answer may change."""
        told = [self.draft, self.plan, self.command, self.message, self.edited_row, self.back, self.start, self.about]
        lines = [self.cost.line, self.preview.rows, *self.fetch.everything]
        return [*told, *lines, *self.chooser.everything, *self.fields.everything]

    @requires(Access.VIEWER)
    def answered(self, request: gr.Request, sent: Any) -> Updates:
        """The browser asks: a person changed something, the page has just opened, or something that was waited for may be there."""
        draft = read_draft(sent, self.presets.names)
        if draft.model in self.presets.models and draft.model != model_of(draft.preset):
            draft = draft.chosen(self.presets.alike(draft.preset, draft.model))
        updates = self.answer(draft, request)
        if not draft.shown and self.presets.errors:
            updates[self.message] = error_notice(self.presets.errors[0], request)
        return updates

    @requires(Access.OWNER)
    def fetch_asked(self, request: gr.Request, sent: Any) -> Updates:
        """Fetch what is not here, or go on with it."""
        return self._fetching(request, sent, self.fetch.begin)

    @requires(Access.OWNER)
    def fetch_ended(self, request: gr.Request, sent: Any) -> Updates:
        """Stop fetching; what has come stays."""
        return self._fetching(request, sent, self.fetch.end)

    def _fetching(self, request: gr.Request, sent: Any, act: Callable[[Recipe], None]) -> Updates:
        draft = read_draft(sent, self.presets.names)
        with suppress(LabError):  # the form says what is wrong
            act(self._recipe_in(draft))
        return self.answer(draft, request)

    def loaded(self, run_id: str, sent: Any, request: gr.Request) -> Updates:
        """The form with the settings of a run. Raises LabError."""
        draft = read_draft(sent, self.presets.names)
        run = self.store.run(run_id)
        nearest = self.presets.nearest(parse(run.recipe, run.name))
        if nearest is None:
            return self.answer(draft, request)
        preset, edits = nearest
        told = say("train.loaded", language_of(request), name=run.name)
        return self.answer(draft.chosen(preset).replaced(edits), request, told, chosen=True)

    def on_version(self, algorithm: str, version: str, sent: Any, request: gr.Request) -> Updates:
        """The form to train on a frozen version. Raises LabError where it is not what it was."""
        draft, language = read_draft(sent, self.presets.names), language_of(request)
        found = Annotation(self.store).version(version)
        return self._with(self.next.on_version(algorithm, found, draft, language), draft, request)

    def after(self, run_id: str, sent: Any, request: gr.Request) -> Updates:
        """The form to go on from a run's model. Raises LabError."""
        draft, run = read_draft(sent, self.presets.names), self.store.run(run_id)
        return self._with(self.next.after(run, language_of(request)), draft, request)

    def ppo_with(self, run_id: str, sent: Any, request: gr.Request) -> Updates:
        """The form to train PPO with a reward model. Raises LabError."""
        draft, run = read_draft(sent, self.presets.names), self.store.run(run_id)
        return self._with(self.next.ppo_with(run, language_of(request)), draft, request)

    def _with(self, filled: Filled | None, draft: Draft, request: gr.Request) -> Updates:
        """The form with exactly these settings: nothing of an earlier draft stays, and that is one click away."""
        if filled is None:
            return self.answer(draft, request)
        replaced = draft.chosen(filled.preset).replaced(filled.edits)
        return self.answer(replaced, request, filled.told, chosen=True)

    def with_rules(self, name: str, version: int, sent: Any, request: gr.Request) -> Updates:
        """The form with a saved rule set, under the preset that is chosen where it takes rules, else under GRPO's. Raises LabError."""
        draft = read_draft(sent, self.presets.names)
        takes = [preset for preset in self.presets.names if form.RULES in form.entered(self.presets.recipe(preset))]
        if draft.preset not in takes:
            draft = draft.chosen(usual(takes))
        text = self.fields.rule_sets.text(name, version)
        told = say("rules.to_train", language_of(request), name=name, version=version)
        edits = {**draft.of(draft.preset), form.RULES: text}
        return self.answer(draft.replaced(edits), request, told, chosen=True)

    def standing(self, sent: Any) -> tuple[str, Recipe, Recipe]:
        """What stands in the form: the preset, its recipe, and the recipe that was made of it. Raises LabError."""
        draft = read_draft(sent, self.presets.names)
        made = self._recipe_in(draft)
        return draft.preset, self.presets.recipe(draft.preset), made

    def submitted(self, sent: Any) -> Run:
        """Start what stands in the form; the run. Raises LabError."""
        return self.supervisor.submit(self._recipe_in(read_draft(sent, self.presets.names)))

    # ---- what the form shows

    def answer(self, draft: Draft, request: gr.Request, told: str = "", *, chosen: bool = False) -> Updates:
        """Updates for what a draft changes. ``chosen``: the server chose preset and edits, not the person."""
        if not self.presets.names:
            empty = notice(say("train.no_presets", language_of(request)), "problem")
            return {self.draft: message(), self.message: empty}
        recipe = self.presets.recipe(draft.preset)
        known = {path: value for path, value in draft.of(draft.preset).items() if path in form.entered(recipe)}
        draft = draft.typed(form.changes(recipe, known))
        fills = chosen or draft.shown != draft.preset
        heard: dict[str, Any] = {"preset": draft.preset, "asked": draft.asked, "chosen": chosen}
        if chosen:
            heard |= {"edits": draft.of(draft.preset), "before": draft.before.get(draft.preset, {})}
        updates, wrong = self._said(draft, request, told, fills=fills)
        waits, missing = self._lines(draft, request, updates, wrong)
        updates[self.start] = gr.update(interactive=wrong is None and not missing)
        updates |= self._fields(draft, request, heard, fills=fills)
        heard |= {"waits": waits.marks, "later": waits.seconds}
        heard["problem"] = self._beside(wrong, recipe.algorithm, language_of(request))
        return {self.draft: message(**heard), **updates}

    def _said(self, draft: Draft, request: gr.Request, told: str, *, fills: bool) -> tuple[Updates, LabError | None]:
        """One sentence of what it will do, the command, and what is wrong, if anything is.

        While somebody types, the last sentence that was true stays until the field is mended; of a form that was filled anew it says
        nothing, since it spoke of another recipe.
        """
        language, recipe, edits = language_of(request), self.presets.recipe(draft.preset), draft.of(draft.preset)
        updates: Updates = {
            self.command: form.command(draft.preset, recipe, edits),
            self.edited_row: gr.update(visible=bool(edits) or draft.can_go_back),
            self.back: gr.update(visible=draft.can_go_back),
        }
        try:
            sentence = plan(self._recipe_in(draft), language, {run.id: run.name for run in self.store.runs()})
        except LabError as error:
            if fills:
                updates[self.plan] = ""
            return {**updates, self.message: error_notice(error, request)}, error
        counts = self._counts_as(draft, language)
        note = " ".join(part for part in (told, counts) if part)
        return {**updates, self.plan: notice(sentence, "plan"), self.message: notice(note, "note")}, None

    def _lines(self, draft: Draft, request: gr.Request, updates: Updates, wrong: LabError | None) -> tuple[Wait, bool]:
        """Add the lines that take a process of their own: cost, rows, what is missing; when to look again, and whether anything is."""
        marks = self.supervisor.changes.marks()
        recipe = self._recipe_in(draft) if wrong is None else None
        fetch, waits, missing = self.fetch.shown(request, recipe, marks)
        updates |= fetch
        if recipe is not None:
            updates[self.cost.line], more = self.cost.shown(request, recipe, marks, later=draft.asks != "look")
            waits |= more
        if not draft.preview:
            updates[self.preview.rows] = ""
        elif recipe is not None:
            updates[self.preview.rows], more = self.preview.looked(request, recipe, marks)
            waits |= more
        return waits, missing

    def _fields(self, draft: Draft, request: gr.Request, heard: dict[str, Any], *, fills: bool) -> Updates:
        """The fields: all of a preset where it is another one, else those that snap to a multiple once a field was left."""
        recipe, language = self.presets.recipe(draft.preset), language_of(request)
        counted = form.snapped(recipe, draft.of(draft.preset))
        if fills:
            standing = {**form.entered(recipe), **draft.of(draft.preset), **counted}
            heard["filled"] = {"algorithm": recipe.algorithm, "values": standing}
            about = recipe.about_zh if language == "zh" else recipe.about_en
            chooser = self.chooser.shown(draft.preset, language)
            return {
                **chooser,
                self.about: notice(about, "about"),
                **self.fields.filled(recipe.algorithm, standing, language),
            }
        if draft.asks != "settle":
            return {}
        heard["snapped"] = counted
        return self.fields.snapped(recipe.algorithm, counted)

    def _counts_as(self, draft: Draft, language: str) -> str:
        """Where a figure counts as another one: which, and why."""
        recipe, edits = self.presets.recipe(draft.preset), draft.of(draft.preset)
        wanted = {**form.entered(recipe), **edits}
        labels = {field.path: field.words["label"][language] for field in form.fields(recipe.algorithm)}
        told = [
            say(
                "train.counts_as", language, field=labels[path], value=wanted[path], counted=counted,
                unit=labels[form.MULTIPLE_OF[path]], size=wanted[form.MULTIPLE_OF[path]],
            )
            for path, counted in form.snapped(recipe, edits).items()
            if counted != wanted[path]
        ]  # fmt: skip
        return " ".join(told)

    def _beside(self, wrong: LabError | None, algorithm: str, language: str) -> dict[str, str] | None:
        """Which field an error is about, and the sentence that stands beside it; None for one that is about no single field."""
        path = str(wrong.params.get("field", "")) if wrong is not None else ""
        if wrong is None or path not in {field.path for field in form.fields(algorithm)}:
            return None
        field = next(field for field in form.fields(algorithm) if field.path == path)
        short = bounds(field, language) if wrong.key == "recipe_value" else None
        text = (
            say("train.takes", language, field=field.words["label"][language], bounds=short)
            if short
            else problem(wrong, language)
        )
        return {"field": self.fields.entry(algorithm, path).elem_id, "text": text}

    def _recipe_in(self, draft: Draft) -> Recipe:
        """The recipe that stands in a draft. Raises LabError."""
        if draft.preset not in self.presets.by_name:
            raise RecipeError("preset_missing", value=draft.preset, known=", ".join(self.presets.names))
        recipe = self.presets.recipe(draft.preset)
        known = {path: value for path, value in draft.of(draft.preset).items() if path in form.entered(recipe)}
        return form.recipe_from(recipe, form.changes(recipe, known), draft.preset)
