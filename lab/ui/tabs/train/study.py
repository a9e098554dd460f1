"""*Several runs*, under the form of the Train tab: the recipe that stands there as a study of several seeds, or of one varied field.

Not here: the study itself (``lab/core/varied.py``), training it (``lab/runs/studies.py``), watching it (``tabs/compare``).
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from lab.core.access import Access, requires
from lab.core.recipes import Recipe
from lab.core.studies import Study
from lab.core.varied import parse_seeds, parse_values, varied
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from lab.store.studies import load_study, save_study, study_names
from lab.ui.draft import with_draft
from lab.ui.handlers import LIGHT, SLOW, Updates, words_errors
from lab.ui.notice import notice
from lab.words import form, say
from lab.words.sentences import language_of

FormRecipe = Callable[[Any], tuple[str, Recipe, Recipe]]
"""What stands in the form: the preset's name, its recipe, and the recipe that was made of it. Raises LabError."""
NOT_VARIED = frozenset({"model", "dataset", "reward_model", form.RULES, "seed", "watch_preferences"})


class StudyFromForm:
    """Draws the part where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, supervisor: Supervisor, i18n: gr.I18n) -> None:
        self.store, self.supervisor = store, supervisor
        with gr.Accordion(i18n("train.several"), open=False, elem_classes="more", elem_id="several") as self.box:
            gr.HTML(i18n("train.several_help"), elem_classes="quiet")
            with gr.Row(elem_classes="side-by-side"):
                self.name = gr.Textbox("my-study", label=i18n("train.study_name"), max_length=40, elem_id="study-name")
                self.seeds = gr.Textbox("1, 2, 3", label=i18n("train.seeds"), max_length=200, elem_id="study-seeds")
                self.field = gr.Dropdown(
                    [("–", "")], value="", label=i18n("train.vary"), elem_id="study-field", interactive=True
                )
                self.values = gr.Textbox(
                    "",
                    label=i18n("train.vary_values"),
                    info=i18n("train.vary_values_help"),
                    max_length=400,
                    elem_id="study-values",
                )
            self.start = gr.Button(
                i18n("train.start_study"), size="sm", elem_id="start-study", elem_classes="owner-only"
            )
            with gr.Row(elem_classes="side-by-side"):
                # Filled as it is made, so that the first click on the button beside it has a study.
                self.shipped = gr.Dropdown(
                    study_names(store.home),
                    label=i18n("train.shipped_study"),
                    elem_id="shipped-study",
                    interactive=True,
                )
                self.start_shipped = gr.Button(
                    i18n("train.start_shipped"), size="sm", elem_id="start-shipped", elem_classes="owner-only"
                )
            self.message = gr.HTML(elem_id="study-message")

    def wire(self, draft: Any, form_recipe: FormRecipe) -> None:
        """Connect the events."""
        self._form_recipe = form_recipe
        offers, asked = [self.field, self.shipped], [draft, self.field, self.shipped]
        for event in (self.box.expand, self.field.focus):
            event(self.offered, asked, offers, js=with_draft("field", "shipped"), **LIGHT)
        inputs = [draft, self.name, self.seeds, self.field, self.values]
        self.start.click(
            self.study_started, inputs, [self.message], js=with_draft("name", "seeds", "field", "values"), **SLOW
        )
        self.start_shipped.click(self.shipped_started, [self.shipped], [self.message], **SLOW)

    @requires(Access.VIEWER)
    def offered(self, request: gr.Request, sent: Any, field: Any, chosen: Any) -> Updates:
        """The fields of the recipe in the form that can be varied, and the studies that there are. What is chosen stays chosen."""
        language = language_of(request)
        studies = study_names(self.store.home)
        _preset, usual, _recipe = self._form_recipe(sent)
        fields = [(say("train.vary_none", language), "")]
        fields += [
            (each.words["label"][language], each.path)
            for each in form.fields(usual.algorithm)
            if each.path not in NOT_VARIED
        ]
        value = field if field in [path for _, path in fields] else ""
        return {
            self.field: gr.update(choices=fields, value=value),
            self.shipped: gr.update(choices=studies, value=chosen if chosen in studies else studies[0]),
        }

    @requires(Access.OWNER)
    @words_errors("message")
    def study_started(self, request: gr.Request, sent: Any, name: Any, seeds: Any, field: Any, values: Any) -> Updates:
        """Make a study of what stands in the form, and start it."""
        preset, usual, recipe = self._form_recipe(sent)
        many = parse_values(str(values or "")) if field else []
        study = varied(str(name or ""), preset, usual, recipe, parse_seeds(str(seeds or "")), str(field or ""), many)
        save_study(study, self.store.home)
        return self._start(study, request)

    @requires(Access.OWNER)
    @words_errors("message")
    def shipped_started(self, request: gr.Request, name: Any) -> Updates:
        """Start a study that there is."""
        return self._start(load_study(str(name or ""), self.store.home), request)

    def _start(self, study: Study, request: gr.Request) -> Updates:
        every = self.supervisor.studies.start(study)
        there = sum(member.run is not None for member in every)
        told = say("train.study_started", language_of(request), name=study.name, count=there, all=len(every))
        return {self.message: notice(told) + _watch_link(study.name, language_of(request))}


def _watch_link(study: str, language: str) -> str:
    """Leads to the Compare tab, where the curves of all its runs grow on one chart."""
    query = html.escape(urlencode({"tab": "compare", "of": f"study:{study}"}))
    return f'<p><a class="watch-study" href="?{query}">{html.escape(say("train.watch_study", language))}</a></p>'
