"""The fields of the Train form, one column of them an algorithm: what is drawn, what the choosers offer, what an edit changes in them.

Not here: which combinations hold (``lab/words/form.py``), the draft that keeps what was typed (``form.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.algorithms import ALGORITHMS
from lab.store.runs import Store
from lab.ui.handlers import LIGHT, Updates
from lab.ui.presets import Presets
from lab.ui.tabs.train.choices import RuleSetChoices, StartChoices
from lab.words import form
from lab.words.sentences import language_of


class RecipeFields:
    """Draws the columns where it is made, all of them hidden; ``wire`` connects the choosers."""

    def __init__(self, store: Store, presets: Presets, i18n: gr.I18n) -> None:
        self.presets, self.i18n = presets, i18n
        self.rule_sets, self.starts = RuleSetChoices(store, presets), StartChoices(store, presets)
        self.inputs: dict[str, list[gr.components.Component]] = {}
        self.columns: dict[str, gr.Column] = {}
        for name in filter(presets.of_algorithm, ALGORITHMS):
            with gr.Column(visible=False, elem_classes="recipe") as self.columns[name]:
                self.inputs[name] = self._draw(name)

    def _draw(self, algorithm: str) -> list[gr.components.Component]:
        preset = self.presets.of_algorithm(algorithm)[0]
        values, every = form.entered(self.presets.recipe(preset)), form.fields(algorithm)
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

    def wire(self) -> None:
        """What is typed is noted in the browser at once, and once more when a field is left: Gradio tells of an input before it has
        the new value, so the last one would be missing. A chooser looks at what there is when it is opened; a field that others depend
        on shows and hides them."""
        for algorithm, inputs in self.inputs.items():
            note = f"(...values) => void window.labDraft.typed({json.dumps(algorithm)}, {json.dumps(paths(algorithm))}, values)"
            heard = [entry.input for entry in inputs] + [entry.blur for entry in inputs if hasattr(entry, "blur")]
            gr.on(heard, None, inputs, js=note, **LIGHT)
            for entry in self._settling(algorithm):
                entry.blur(None, js="() => void window.labDraft.settled()", **LIGHT)
            by_path = dict(zip(paths(algorithm), inputs, strict=True))
            for path, entry in by_path.items():
                if path in form.CHOOSERS:
                    entry.focus(self._offered(algorithm, path), [entry, by_path.get("model", entry)], entry, **LIGHT)
                if depend := [
                    field for field in form.fields(algorithm) if path in form.ONLY_IF.get(field.path, ())[:1]
                ]:
                    outputs = [by_path[field.path] for field in depend]
                    entry.input(None, entry, outputs, js=_reveal(depend), **LIGHT)

    @property
    def all_inputs(self) -> list[gr.components.Component]:
        """Every field of every algorithm."""
        return [entry for inputs in self.inputs.values() for entry in inputs]

    @property
    def everything(self) -> list[Any]:
        return [*self.columns.values(), *self.all_inputs]

    def _settling(self, algorithm: str) -> list[gr.components.Component]:
        """The fields of which one may change another once it is left."""
        if "group_size" not in paths(algorithm):
            return []
        tied = {*form.MULTIPLE_OF, *form.MULTIPLE_OF.values()}
        return [entry for path, entry in zip(paths(algorithm), self.inputs[algorithm], strict=True) if path in tied]

    def entry(self, algorithm: str, path: str) -> gr.components.Component:
        """The component that enters a field."""
        return self.inputs[algorithm][paths(algorithm).index(path)]

    def snapped(self, algorithm: str, counted: Mapping[str, Any]) -> Updates:
        """Updates for the fields that must be a multiple of another one, once it is left: they show what counts."""
        return {
            self.entry(algorithm, path): gr.update(value=counted[path]) for path in form.MULTIPLE_OF if path in counted
        }

    def filled(self, algorithm: str, standing: Mapping[str, Any], language: str) -> Updates:
        """Updates for ``everything``: the column of one algorithm with these values."""
        columns = {column: gr.update(visible=each == algorithm) for each, column in self.columns.items()}
        fields = {
            self.entry(algorithm, field.path): self._shown(field, standing, language)
            for field in form.fields(algorithm)
        }
        return columns | fields

    # ---- inside

    def _shown(self, field: form.FormField, standing: Mapping[str, Any], language: str) -> Any:
        change: dict[str, Any] = {"value": standing[field.path]}
        if field.path in form.ONLY_IF:
            change["visible"] = form.visible(field, standing)
        if field.path in form.CHOOSERS:
            change["choices"] = self._choices(
                field.algorithm, field.path, language, change["value"], standing.get("model", "")
            )
        return gr.update(**change)

    def _offered(self, algorithm: str, path: str) -> Any:
        @requires(Access.VIEWER)
        def offered(request: gr.Request, value: Any, model: Any) -> Updates:
            choices = self._choices(algorithm, path, language_of(request), value, model)
            return {self.entry(algorithm, path): gr.update(choices=choices)}

        return offered

    def _choices(self, algorithm: str, path: str, language: str, value: Any, model: Any) -> list[tuple[str, str]]:
        """What a chooser offers; what stands in it is always among it."""
        if path == form.RULES:
            return self.rule_sets.choices(algorithm, language, str(value))
        if path == "model":
            choices = self.starts.models(language)
        elif path == "reward_model":
            choices = self.starts.reward_models(language, str(model))
        elif path == "watch_preferences":
            choices = self.starts.judged(language)
        else:
            choices = self.starts.data(algorithm, language)
        return choices if value in [each for _, each in choices] else [*choices, (str(value), str(value))]


def _reveal(depend: Sequence[form.FormField]) -> str:
    """A script that shows each of these fields while the field it depends on has the value it needs."""
    needed = json.dumps([form.ONLY_IF[field.path][1] for field in depend])
    return f"(value) => {needed}.map((needed) => ({{ __type__: 'update', visible: String(value) === needed }}))"


def paths(algorithm: str) -> list[str]:
    """The fields of an algorithm by their places in its recipe, in the order of their components."""
    return [field.path for field in form.fields(algorithm)]


def component(field: form.FormField, value: Any, i18n: gr.I18n, *, visible: bool = True) -> gr.components.Component:
    """The component that enters a field."""
    common: dict[str, Any] = {
        "label": i18n(f"{field.key}.label"),
        "info": i18n(f"{field.key}.help"),
        "elem_id": f"{field.algorithm}-{field.path.replace('.', '-')}",
        "interactive": True,
        "min_width": 150,
        "visible": visible,
    }
    if field.kind is bool:
        return gr.Checkbox(value=value, **common)
    if isinstance(field.kind, type) and issubclass(field.kind, StrEnum):
        choices = [(i18n(f"choice.{option}"), str(option)) for option in field.kind]
        return gr.Dropdown(choices=choices, value=str(value), filterable=False, **common)
    if field.kind in (int, float):
        # Without Gradio's own minimum and maximum: it would answer them with a pop-up, in English, and drop what was typed.
        # The recipe checks its bounds itself, and the page says them in a sentence.
        return gr.Number(value=value, step=_step(field, value), **common)
    if field.path in form.CHOOSERS:
        return gr.Dropdown(choices=[value], value=value, allow_custom_value=True, **common)
    return gr.Textbox(value=value, lines=1, max_lines=1, max_length=field.bound("max_length"), **common)


def _step(field: form.FormField, value: float) -> float:
    """What an arrow key adds: 1 to a count, a tenth of its size (a power of ten) to anything finer."""
    if field.kind is int:
        return 1
    return float(f"{value:e}".split("e")[1].join(("1e", ""))) / 10 if value else 0.01
