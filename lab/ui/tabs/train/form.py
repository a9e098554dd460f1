"""The left half of the Train tab: which preset, what it will do, its fields, and the button that starts it.

What is typed is kept in the browser (``draft.py``), preset by preset: it survives another choice, a reload and a restart.
Not here: its fields (``train_fields.py``), the runs that came of it (``train_runs.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.recipes import Recipe, parse
from lab.errors import LabError, RecipeError
from lab.runs.estimate import Estimator
from lab.runs.preview import Previews
from lab.runs.supervisor import Supervisor
from lab.store.runs import RunState, Store
from lab.ui.as_built import only_changes
from lab.ui.draft import Draft, Edits, read_draft
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.ui.presets import Presets, model_of
from lab.ui.tabs.train.cost import CostLine
from lab.ui.tabs.train.fetch import FetchRow
from lab.ui.tabs.train.fields import RecipeFields
from lab.ui.tabs.train.presets import PresetChooser
from lab.ui.tabs.train.preview import PreviewPane
from lab.words import form, say
from lab.words.sentences import language_of, plan, problem

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
        # A fixed key and no true secret: the draft has to be read again after a restart, and there is nothing to hide in it.
        self.draft = gr.BrowserState({}, storage_key="lab-draft", secret="alignment-lab")
        self._draw()

    # ---- the look of it

    def _draw(self) -> None:
        self.chooser = PresetChooser(self.presets, self.i18n)
        self.about = gr.HTML(elem_id="about")
        self.plan = gr.HTML(elem_id="plan")
        self.cost = CostLine(
            Estimator(self.store.home), self._recipe_in, lambda: bool(self.store.in_state(RunState.RUNNING))
        )
        self.fields = RecipeFields(self.store, self.presets, self.i18n)
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
        self.fields.wire()
        for algorithm, inputs in self.fields.inputs.items():
            edited, settled = self._handlers(algorithm)
            outputs = [*self.said, *inputs]
            gr.on(
                [entry.input for entry in inputs],
                edited, [self.draft, *inputs], outputs, trigger_mode="always_last", **LIGHT,
            )  # fmt: skip
            for entry in self.fields.settling(algorithm):
                entry.blur(settled, [self.draft, *inputs], outputs, **LIGHT)

    @property
    def said(self) -> list[Any]:
        """What changes with every edit, besides the fields themselves."""
        return [self.draft, self.plan, self.command, self.message, self.edited_row, self.back]

    @property
    def everything(self) -> list[Any]:
        return [*self.said, *self.chooser.everything, self.about, *self.fields.everything]

    @property
    def start_inputs(self) -> list[Any]:
        """The draft and every field: what is in the form when Start is pressed, not what was last sent."""
        return [self.draft, *self.fields.all_inputs]

    @requires(Access.VIEWER)
    def opened(self, request: gr.Request, stored: Any) -> list[Any]:
        """The page was loaded: the form as it was left, and what is wrong with a preset that is not offered."""
        updates = self.filled(read_draft(stored, self.presets.names), request)
        if self.presets.errors:
            broken = problem(self.presets.errors[0], language_of(request))
            updates[self.everything.index(self.message)] = notice(broken, "problem")
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

    def with_data(
        self, algorithm: str, dataset: str, name: str, stored: Any, request: gr.Request, further: Edits | None = None
    ) -> list[Any]:
        """The form to train on these data, with the first preset of an algorithm (of a model, where ``further`` settings name one that
        has a preset); ``name`` is what people call the data.
        """
        draft, further = read_draft(stored, self.presets.names), further or {}
        recipes = {one: self.presets.recipe(one) for one in self.presets.names}
        fit = [one for one, recipe in recipes.items() if recipe.algorithm == algorithm]
        preset = next(
            (one for one in fit if getattr(recipes[one], "model", "") == further.get("model")), fit[0] if fit else None
        )
        if preset is None:
            return self.filled(draft, request)
        chosen = draft.chosen(preset)
        told = say("annotate.filled", language_of(request), name=name)
        return self.filled(chosen.replaced({**chosen.of(preset), **further, "dataset": dataset}), request, told)

    def with_rules(self, name: str, version: int, stored: Any, request: gr.Request) -> list[Any]:
        """The form with a saved rule set, under the preset that is chosen where it takes rules, else under GRPO's. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        takes = [preset for preset in self.presets.names if form.RULES in form.entered(self.presets.recipe(preset))]
        if draft.preset not in takes:
            draft = draft.chosen(next((preset for preset in takes if preset.endswith("/grpo")), takes[0]))
        text = self.fields.rule_sets.text(name, version)
        told = say("rules.to_train", language_of(request), name=name, version=version)
        return self.filled(draft.replaced({**draft.of(draft.preset), form.RULES: text}), request, told)

    def _handlers(self, algorithm: str) -> tuple[Any, Any]:
        """The handlers of an algorithm's fields: while something is typed, and once a field is left."""

        def outputs(stored: Any, values: tuple[Any, ...], request: gr.Request, settle: bool) -> list[Any]:
            draft = read_draft(stored, self.presets.names)
            recipe = self.presets.recipe(draft.preset)
            if recipe.algorithm != algorithm:  # another preset was chosen meanwhile
                return [gr.skip()] * (len(self.said) + len(values))
            edits, updates = self.fields.edited(recipe, values, settle=settle)
            return [*self._said(draft.typed(edits), request), *updates]

        @requires(Access.VIEWER)
        def edited(request: gr.Request, stored: Any, *values: Any) -> list[Any]:
            return outputs(stored, values, request, settle=False)

        @requires(Access.VIEWER)
        def settled(request: gr.Request, stored: Any, *values: Any) -> list[Any]:
            return outputs(stored, values, request, settle=True)

        return edited, settled

    def submitted(self, stored: Any, values: Sequence[Any]) -> Any:
        """Start what stands in the form; the run. Raises LabError."""
        draft = read_draft(stored, self.presets.names)
        recipe = self.presets.recipe(draft.preset)
        return self.supervisor.submit(form.recipe_from(recipe, self.fields.typed(recipe, values), draft.preset))

    # ---- what the form shows

    def filled(self, draft: Draft, request: gr.Request, told: str = "") -> list[Any]:
        """Updates for ``everything``."""
        if not self.presets.names:
            empty = say("train.no_presets", language_of(request))
            return [gr.skip(), "", "", notice(empty, "problem"), *[gr.skip()] * (len(self.everything) - 4)]
        recipe = self.presets.recipe(draft.preset)
        known = {path: value for path, value in draft.of(draft.preset).items() if path in form.entered(recipe)}
        draft = draft.typed(known)
        fields = self.fields.filled(recipe.algorithm, {**form.entered(recipe), **known}, language_of(request))
        about = recipe.about_zh if language_of(request) == "zh" else recipe.about_en
        chosen = self.chooser.shown(draft.preset, language_of(request))
        return [*self._said(draft, request, told, otherwise=""), *chosen, notice(about, "about"), *fields]

    def _said(self, draft: Draft, request: gr.Request, told: str = "", otherwise: str | None = None) -> list[Any]:
        """Updates for ``said``: one sentence of what it will do, the command, and what is wrong, if anything is.

        While somebody types, the last sentence that was true stays until the field is mended; of a form that was filled anew it says
        nothing, since it spoke of another recipe.
        """
        language, recipe, edits = language_of(request), self.presets.recipe(draft.preset), draft.of(draft.preset)
        message = notice(told, "note")
        try:
            sentence: Any = notice(plan(form.recipe_from(recipe, edits, draft.preset), language, self._names()), "plan")
        except LabError as error:
            sentence, message = (
                gr.skip() if otherwise is None else otherwise,
                notice(problem(error, language), "problem"),
            )
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
