"""The left half of the Train tab: which preset, what it will do, its fields, and the button that starts it.

What is typed is kept in the browser (``draft.py``), preset by preset: it survives another choice, a reload and a restart.
Not here: the runs that came of it (``train_runs.py``), how a field becomes a component (``form.py``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.recipes import RECIPES, Recipe, parse
from lab.errors import LabError, RecipeError
from lab.runs.estimate import Estimator
from lab.runs.preview import Previews
from lab.runs.supervisor import Supervisor
from lab.store.runs import RunState, Store
from lab.ui import form
from lab.ui.as_built import only_changes
from lab.ui.draft import Draft, read_draft
from lab.ui.field_component import component
from lab.ui.presets import Presets, model_of
from lab.ui.sentences import language_of, plan, problem
from lab.ui.tabs.rules_chosen import RuleSetChoices
from lab.ui.tabs.train_choices import StartChoices
from lab.ui.tabs.train_cost import CostLine
from lab.ui.tabs.train_fetch import FetchRow
from lab.ui.tabs.train_presets import PresetChooser
from lab.ui.tabs.train_preview import PreviewPane
from lab.ui.text import say

LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For handlers that take milliseconds: they wait in no queue, dim nothing, and are offered to no API client."""

COMMAND = """<div class="command"><code>{{value}}</code><button type="button" aria-label="Copy / 复制" title="Copy / 复制">
<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V6a2 2 0 0 1 2-2h9"/></svg></button></div>"""
"""The double braces escape what they fill in."""
COPY = """
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  await navigator.clipboard.writeText(element.querySelector("code").textContent);
  button.style.color = "var(--link-text-color)";
  setTimeout(() => (button.style.color = ""), 1200);
});
"""


class TrainForm:
    """Draws the form where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, supervisor: Supervisor, presets: Presets, i18n: gr.I18n) -> None:
        self.store, self.supervisor, self.presets, self.i18n = store, supervisor, presets, i18n
        self.inputs: dict[str, list[gr.components.Component]] = {}
        self.columns: dict[str, gr.Column] = {}
        self.used = [name for name in RECIPES if any(p.recipe.algorithm == name for p in presets.by_name.values())]
        # A fixed key and no true secret: the draft has to be read again after a restart, and there is nothing to hide in it.
        self.draft = gr.BrowserState({}, storage_key="lab-draft", secret="alignment-lab")
        self.rule_sets, self.starts = RuleSetChoices(store, presets), StartChoices(store, presets)
        self._draw()

    # ---- the look of it

    def _draw(self) -> None:
        self.chooser = PresetChooser(self.presets, self.i18n)
        self.about = gr.HTML(elem_id="about")
        self.plan = gr.HTML(elem_id="plan")
        self.cost = CostLine(
            Estimator(self.store.home), self._recipe_in, lambda: bool(self.store.in_state(RunState.RUNNING))
        )
        for algorithm in self.used:
            with gr.Column(visible=False, elem_classes="recipe") as column:
                self.columns[algorithm] = column
                self.inputs[algorithm] = self._draw_fields(algorithm)
        self.preview = PreviewPane(Previews(self.store.home), self._recipe_in, self.i18n)
        with gr.Column(elem_id="start-bar"):
            self.fetch = FetchRow(self.store, self._recipe_in, self.i18n)
            with gr.Row(elem_classes="start-row"):
                self.start = gr.Button(
                    self.i18n("train.start"),
                    variant="primary",
                    elem_id="start",
                    elem_classes="owner-only",
                    min_width=120,
                )
                self.command = gr.HTML(elem_id="command", html_template=COMMAND, js_on_load=COPY)
            gr.HTML(self.i18n("train.owner_why"), elem_classes="owner-why")
            self.message = gr.HTML(elem_id="message")
            with gr.Row(elem_classes="edited-row", visible=False) as self.edited_row:
                gr.HTML(self.i18n("train.edited"), elem_classes="quiet")
                self.reset = gr.Button(self.i18n("train.reset"), size="sm", min_width=80)
                self.back = gr.Button(self.i18n("train.back"), size="sm", min_width=80, visible=False)

    def _draw_fields(self, algorithm: str) -> list[gr.components.Component]:
        preset = next(p for p in self.presets.by_name.values() if p.recipe.algorithm == algorithm)
        values, every = form.entered(preset.recipe), form.fields(algorithm)
        drawn: dict[str, gr.components.Component] = {}

        def draw(chosen: Sequence[form.FormField]) -> None:
            with gr.Row(elem_classes="fields"):
                for field in chosen:
                    shown = form.visible(field, values)
                    drawn[field.path] = component(field, values[field.path], self.i18n, visible=shown)

        draw(form.in_view(algorithm))
        with gr.Accordion(self.i18n("train.more"), open=False, elem_classes="more"):
            for section, members in form.by_section([field for field in every if not field.front]):
                gr.HTML(self.i18n(f"section.{section}"), elem_classes="section")
                draw(members)
        return [drawn[field.path] for field in every]

    # ---- events

    def wire(self, blocks: gr.Blocks) -> None:
        """Connect the events; those of the Start button are the tab's."""
        blocks.load(self.opened, [self.draft], self.everything, **LIGHT)
        self.cost.wire(blocks, self.draft)
        self.preview.wire(self.draft)
        self.fetch.wire(blocks, self.draft, self.start)
        self.fetch.lacking.change(self.cost.looked, [self.draft], [self.cost.line, self.cost.timer], **LIGHT)
        self.chooser.preset.input(self.chosen, [self.draft, self.chooser.preset], self.everything, **LIGHT)
        self.chooser.model.input(self.chosen_model, [self.draft, self.chooser.model], self.everything, **LIGHT)
        self.reset.click(self.was_reset, [self.draft], self.everything, **LIGHT)
        self.back.click(self.went_back, [self.draft], self.everything, **LIGHT)
        for algorithm, inputs in self.inputs.items():
            edited, settled = self._handlers(algorithm)
            outputs = [*self.said, *inputs]
            gr.on(
                [component.input for component in inputs],
                edited, [self.draft, *inputs], outputs, trigger_mode="always_last", **LIGHT,
            )  # fmt: skip
            for field, entry in zip(form.fields(algorithm), inputs, strict=True):
                if field.path in {*form.MULTIPLE_OF, *form.MULTIPLE_OF.values()} and "group_size" in _paths(algorithm):
                    entry.blur(settled, [self.draft, *inputs], outputs, **LIGHT)
                if field.path in form.CHOOSERS:
                    entry.focus(self._offered(algorithm, field.path), entry, entry, **LIGHT)

    @property
    def said(self) -> list[Any]:
        """What changes with every edit, besides the fields themselves."""
        return [self.draft, self.plan, self.command, self.message, self.edited_row, self.back]

    @property
    def everything(self) -> list[Any]:
        fields = [component for inputs in self.inputs.values() for component in inputs]
        return [*self.said, *self.chooser.everything, self.about, *self.columns.values(), *fields]

    @property
    def start_inputs(self) -> list[Any]:
        """The draft and every field: what is in the form when Start is pressed, not what was last sent."""
        return [self.draft, *(component for inputs in self.inputs.values() for component in inputs)]

    @requires(Access.VIEWER)
    def opened(self, request: gr.Request, stored: Any) -> list[Any]:
        """The page was loaded: the form as it was left, and what is wrong with a preset that is not offered."""
        updates = self.filled(read_draft(stored, self.presets.names), request)
        if self.presets.errors:
            broken = problem(self.presets.errors[0], language_of(request))
            updates[self.everything.index(self.message)] = _sentence(broken, "problem")
        return only_changes(self.everything, updates)

    @requires(Access.VIEWER)
    def chosen(self, request: gr.Request, stored: Any, preset: Any) -> list[Any]:
        """Another preset, with what was typed over it before."""
        draft = read_draft(stored, self.presets.names)
        return self.filled(draft.chosen(preset) if preset in self.presets.by_name else draft, request)

    @requires(Access.VIEWER)
    def chosen_model(self, request: gr.Request, stored: Any, model: Any) -> list[Any]:
        """The preset that does the same for another model."""
        draft = read_draft(stored, self.presets.names)
        if model in self.presets.models and model != model_of(draft.preset):
            draft = draft.chosen(self.presets.alike(draft.preset, model))
        return self.filled(draft, request)

    @requires(Access.VIEWER)
    def was_reset(self, request: gr.Request, stored: Any) -> list[Any]:
        """The preset as it stands in its file; what was typed is one click away."""
        return self.filled(read_draft(stored, self.presets.names).replaced({}), request)

    @requires(Access.VIEWER)
    def went_back(self, request: gr.Request, stored: Any) -> list[Any]:
        """What was typed before the form was filled by a click."""
        return self.filled(read_draft(stored, self.presets.names).back(), request)

    def loaded(self, run_id: str, stored: Any, request: gr.Request) -> list[Any]:
        """The form with the settings of a run. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        run = self.store.run(run_id)
        nearest = self.presets.nearest(parse(run.recipe, run.name))
        if nearest is None:
            return self.filled(draft, request)
        preset, edits = nearest
        return self.filled(
            draft.chosen(preset).replaced(edits), request, say("train.loaded", language_of(request), name=run.name)
        )

    def with_data(self, algorithm: str, dataset: str, name: str, stored: Any, request: gr.Request) -> list[Any]:
        """The form with the first preset of an algorithm, to train on these data; ``name`` is what people call them."""
        draft = read_draft(stored, self.presets.names)
        preset = next((one for one in self.presets.names if self.presets.recipe(one).algorithm == algorithm), None)
        if preset is None:
            return self.filled(draft, request)
        chosen = draft.chosen(preset)
        told = say("annotate.filled", language_of(request), name=name)
        return self.filled(chosen.replaced({**chosen.of(preset), "dataset": dataset}), request, told)

    def with_rules(self, name: str, version: int, stored: Any, request: gr.Request) -> list[Any]:
        """The form with a saved rule set, under the preset that is chosen where it takes rules, else under GRPO's. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        takes = [preset for preset in self.presets.names if form.RULES in form.entered(self.presets.recipe(preset))]
        if draft.preset not in takes:
            draft = draft.chosen(next((preset for preset in takes if preset.endswith("/grpo")), takes[0]))
        text = self.rule_sets.text(name, version)
        told = say("rules.to_train", language_of(request), name=name, version=version)
        return self.filled(draft.replaced({**draft.of(draft.preset), form.RULES: text}), request, told)

    def _handlers(self, algorithm: str) -> tuple[Any, Any]:
        """The handlers of an algorithm's fields: while something is typed, and once a field is left."""

        def outputs(stored: Any, values: tuple[Any, ...], request: gr.Request, settle: bool) -> list[Any]:
            draft = read_draft(stored, self.presets.names)
            recipe = self.presets.recipe(draft.preset)
            if recipe.algorithm != algorithm:  # another preset was chosen meanwhile
                return [gr.skip()] * (len(self.said) + len(values))
            edits = form.changes(recipe, dict(zip(_paths(algorithm), values, strict=True)))
            counted = form.valid_combination(recipe, edits)
            if settle:
                edits = {**edits, **{path: counted[path] for path in form.MULTIPLE_OF if path in counted}}
            standing = {**form.entered(recipe), **edits}
            updates = []
            for field, value in zip(form.fields(algorithm), values, strict=True):
                snapped = settle and field.path in form.MULTIPLE_OF and standing[field.path] != value
                change = {"value": standing[field.path]} if snapped else {}
                if field.path in form.ONLY_IF:
                    change["visible"] = form.visible(field, standing)
                updates.append(gr.update(**change) if change else gr.skip())
            return [*self._said(draft.typed(edits), request), *updates]

        @requires(Access.VIEWER)
        def edited(request: gr.Request, stored: Any, *values: Any) -> list[Any]:
            return outputs(stored, values, request, settle=False)

        @requires(Access.VIEWER)
        def settled(request: gr.Request, stored: Any, *values: Any) -> list[Any]:
            return outputs(stored, values, request, settle=True)

        return edited, settled

    def _offered(self, algorithm: str, path: str) -> Any:
        @requires(Access.VIEWER)
        def offered(request: gr.Request, value: Any) -> Any:
            return gr.update(choices=self._choices(algorithm, path, language_of(request), value))

        return offered

    def submitted(self, stored: Any, values: Sequence[Any]) -> Any:
        """Start what stands in the form; the run. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        recipe = self.presets.recipe(draft.preset)
        first = 0
        for algorithm, inputs in self.inputs.items():
            if algorithm == recipe.algorithm:
                break
            first += len(inputs)
        typed = dict(zip(_paths(recipe.algorithm), values[first:], strict=False))
        return self.supervisor.submit(form.recipe_from(recipe, form.changes(recipe, typed), draft.preset))

    # ---- what the form shows

    def filled(self, draft: Draft, request: gr.Request, told: str = "") -> list[Any]:
        """Updates for ``everything``."""
        if not self.presets.names:
            empty = say("train.no_presets", language_of(request))
            return [gr.skip(), "", "", _sentence(empty, "problem"), *[gr.skip()] * (len(self.everything) - 4)]
        recipe = self.presets.recipe(draft.preset)
        known = {path: value for path, value in draft.of(draft.preset).items() if path in form.entered(recipe)}
        draft = draft.typed(known)
        standing = {**form.entered(recipe), **known}
        updates: list[Any] = []
        for algorithm in self.inputs:
            for field in form.fields(algorithm):
                updates.append(self._shown(field, standing, request) if algorithm == recipe.algorithm else gr.skip())
        columns = [gr.update(visible=algorithm == recipe.algorithm) for algorithm in self.columns]
        about = recipe.about_zh if language_of(request) == "zh" else recipe.about_en
        chosen = self.chooser.shown(draft.preset, language_of(request))
        return [*self._said(draft, request, told), *chosen, _sentence(about, "about"), *columns, *updates]

    def _shown(self, field: form.FormField, standing: dict[str, Any], request: gr.Request) -> Any:
        change: dict[str, Any] = {"value": standing[field.path]}
        if field.path in form.ONLY_IF:
            change["visible"] = form.visible(field, standing)
        if field.path in form.CHOOSERS:
            change["choices"] = self._choices(field.algorithm, field.path, language_of(request), change["value"])
        return gr.update(**change)

    def _said(self, draft: Draft, request: gr.Request, told: str = "") -> list[Any]:
        """Updates for ``said``: one sentence of what it will do, the command, and what is wrong, if anything is."""
        language, recipe, edits = language_of(request), self.presets.recipe(draft.preset), draft.of(draft.preset)
        message = _sentence(told, "note")
        try:
            sentence: Any = _sentence(
                plan(form.recipe_from(recipe, edits, draft.preset), language, self._names()), "plan"
            )
        except LabError as error:
            # The last sentence that was true stays until the field is mended.
            sentence, message = gr.skip(), _sentence(problem(error, language), "problem")
        return [
            draft.model_dump(),
            sentence,
            form.command(draft.preset, recipe, edits),
            message,
            gr.update(visible=bool(edits) or draft.can_go_back),
            gr.update(visible=draft.can_go_back),
        ]

    def _recipe_in(self, stored: Any) -> Recipe:
        """The recipe that stands in a draft. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        if draft.preset not in self.presets.by_name:
            raise RecipeError("preset_missing", value=draft.preset, known=", ".join(self.presets.names))
        return form.recipe_from(self.presets.recipe(draft.preset), draft.of(draft.preset), draft.preset)

    def _names(self) -> dict[str, str]:
        return {run.id: run.name for run in self.store.runs()}

    def _choices(self, algorithm: str, path: str, language: str, value: Any) -> list[tuple[str, str]]:
        """What a chooser offers; what stands in it is always among it."""
        if path == form.RULES:
            return self.rule_sets.choices(algorithm, language, str(value))
        if path == "model":
            found = self.starts.models()
        elif path == "reward_model":
            found = self.starts.reward_models(language)
        elif path == "watch_preferences":
            found = self.starts.judged(language)
        else:
            found = self.starts.data(algorithm, language)
        return found if value in [each for _, each in found] else [*found, (str(value), str(value))]


def _paths(algorithm: str) -> list[str]:
    return [field.path for field in form.fields(algorithm)]


def _sentence(text: str, kind: str) -> str:
    """A paragraph; the text may hold what somebody typed, so nothing in it is markup. A problem is read out at once."""
    if not text:
        return ""
    role = "alert" if kind == "problem" else "status"
    return f'<p class="{kind}" role="{role}">{html.escape(text)}</p>'
