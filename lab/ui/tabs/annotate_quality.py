"""How well a collection is judged, for its owner, and the pairs that people judged differently, one by one to be decided."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lab.core.access import Access, requires, user_of
from lab.core.preferences import Choice
from lab.errors import LabError
from lab.store.adjudication import adjudicate
from lab.store.annotation import Annotation
from lab.store.annotation_quality import Quality
from lab.store.runs import Store
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.ui.sentences import language_of, problem
from lab.ui.tabs.annotate_tables import disagreement, quality
from lab.ui.text import say

DECISIONS = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)


class QualityPart:
    """Draws the figures where it is made; ``wire`` connects them."""

    def __init__(self, annotation: Annotation, store: Store, i18n: gr.I18n) -> None:
        self.annotation, self.store = annotation, store
        with gr.Row(elem_classes="chooser"):
            self.chosen = gr.Dropdown(
                [], label=i18n("annotate.collection"), interactive=True, elem_id="quality-collection"
            )
        self.figures = gr.HTML(elem_id="quality")
        self.place = gr.State(0)
        with gr.Column(visible=False, elem_id="adjudicate") as self.panel:
            gr.HTML(i18n("annotate.disagreements"), elem_classes="section")
            self.shown = gr.HTML(elem_id="disagreement")
            with gr.Row(elem_classes="actions"):
                self.decisions = [
                    gr.Button(i18n(f"annotate_choice.{choice}"), size="sm", elem_id=f"decide-{choice}")
                    for choice in DECISIONS
                ]
                self.back = gr.Button(i18n("annotate.previous"), size="sm", elem_id="disagreement-back")
                self.on = gr.Button(i18n("annotate.next"), size="sm", elem_id="disagreement-next")
        self.message = gr.HTML(elem_id="quality-message")

    def wire(self, tab: gr.Tab) -> None:
        """Connect the events."""
        here = [self.chosen, self.place]
        tab.select(self.looked, here, self.everything, **LIGHT)
        self.chosen.input(self.chose, [self.chosen], self.everything, **LIGHT)
        self.back.click(self.went_back, here, self.everything, **LIGHT)
        self.on.click(self.went_on, here, self.everything, **LIGHT)
        for button, choice in zip(self.decisions, DECISIONS, strict=True):
            button.click(self._decided(choice), here, self.everything, **LIGHT)

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.chosen, self.figures, self.place, self.panel, self.shown, self.message]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, chosen: Any, place: Any) -> list[Any]:
        """The tab was opened: the figures of now."""
        return self.show(str(chosen or ""), int(place), language_of(request))

    @requires(Access.OWNER)
    def chose(self, request: gr.Request, chosen: Any) -> list[Any]:
        """Another collection."""
        return self.show(str(chosen), 0, language_of(request))

    @requires(Access.OWNER)
    def went_on(self, request: gr.Request, chosen: Any, place: Any) -> list[Any]:
        """The next disagreement."""
        return self.show(str(chosen), int(place) + 1, language_of(request))

    @requires(Access.OWNER)
    def went_back(self, request: gr.Request, chosen: Any, place: Any) -> list[Any]:
        """The one before."""
        return self.show(str(chosen), int(place) - 1, language_of(request))

    def _decided(self, choice: Choice) -> Any:
        @requires(Access.OWNER)
        def decided(request: gr.Request, chosen: Any, place: Any) -> list[Any]:
            language = language_of(request)
            found = self.annotation.quality(str(chosen)).disagreements
            try:
                one = found[int(place) % len(found)] if found else None
                if one is not None:
                    adjudicate(self.store, user_of(request), str(chosen), one.pair.id, choice)
            except LabError as error:
                return self.show(str(chosen), int(place), language, notice(problem(error, language), "problem"))
            said = say(f"annotate_choice.{choice}", language)
            return self.show(
                str(chosen), int(place) + 1, language, notice(say("annotate.decided", language, choice=said))
            )

        return decided

    def show(self, collection_id: str, place: int, language: str, message: str = "") -> list[Any]:
        """Updates for ``everything``; without that collection, the newest."""
        found = self.annotation.collections()
        chosen = next((one for one in found if one.id == collection_id), next(iter(found), None))
        if chosen is None:
            empty = notice(say("annotate.no_collections", language))
            return [gr.update(choices=[], value=None), empty, 0, gr.update(visible=False), "", message]
        judged = self.annotation.quality(chosen.id)
        runs = {run.id: run.name for run in self.store.runs()}
        figures = quality(judged, self.annotation.compare_sources(chosen.id), runs, language)
        choices = gr.update(choices=[(one.name, one.id) for one in found], value=chosen.id)
        return [choices, figures, *self._disagreement(judged, place, language), message]

    def _disagreement(self, judged: Quality, place: int, language: str) -> list[Any]:
        """The place, whether there is one, and the pair there."""
        found = judged.disagreements
        if not found:
            return [0, gr.update(visible=False), ""]
        place %= len(found)
        names = {one.id: one.name for one in judged.annotators}
        return [place, gr.update(visible=True), disagreement(found[place], place, len(found), names, language)]
