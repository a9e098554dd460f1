"""How well a collection is judged, for its owner, and the pairs that people judged differently, one by one to be decided."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lab.annotation.adjudication import adjudicate
from lab.annotation.collections import Annotation
from lab.annotation.quality import Quality
from lab.core.access import Access, requires, user_of
from lab.core.preferences import Choice
from lab.errors import LabError
from lab.store.runs import Store
from lab.ui.gradio_shims import LIGHT
from lab.ui.notice import notice
from lab.ui.tabs.annotate.tables import disagreement, quality
from lab.words import say
from lab.words.sentences import language_of, problem

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
        self.pair = gr.State("")
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
        here = [self.chosen, self.pair]
        tab.select(self.looked, here, self.everything, **LIGHT)
        self.chosen.input(self.chose, [self.chosen], self.everything, **LIGHT)
        self.back.click(self.went_back, here, self.everything, **LIGHT)
        self.on.click(self.went_on, here, self.everything, **LIGHT)
        for button, choice in zip(self.decisions, DECISIONS, strict=True):
            button.click(self._decided(choice), here, self.everything, **LIGHT)

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.chosen, self.figures, self.pair, self.panel, self.shown, self.message]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, chosen: Any, pair: Any) -> list[Any]:
        """The tab was opened: the figures of now."""
        return self.show(str(chosen or ""), str(pair), language_of(request))

    @requires(Access.OWNER)
    def chose(self, request: gr.Request, chosen: Any) -> list[Any]:
        """Another collection."""
        return self.show(str(chosen), "", language_of(request))

    @requires(Access.OWNER)
    def went_on(self, request: gr.Request, chosen: Any, pair: Any) -> list[Any]:
        """The next disagreement."""
        return self.show(str(chosen), str(pair), language_of(request), by=1)

    @requires(Access.OWNER)
    def went_back(self, request: gr.Request, chosen: Any, pair: Any) -> list[Any]:
        """The one before."""
        return self.show(str(chosen), str(pair), language_of(request), by=-1)

    def _decided(self, choice: Choice) -> Any:
        @requires(Access.OWNER)
        def decided(request: gr.Request, chosen: Any, pair: Any) -> list[Any]:
            language = language_of(request)
            try:
                following = _following(self.annotation.quality(str(chosen)), str(pair), 1)
                adjudicate(self.store, user_of(request), str(chosen), str(pair), choice)
            except LabError as error:
                return self.show(str(chosen), str(pair), language, notice(problem(error, language), "problem"))
            said = say(f"annotate_choice.{choice}", language)
            told = notice(say("annotate.decided", language, choice=said))
            return self.show(str(chosen), following, language, told)

        return decided

    def show(self, collection_id: str, pair_id: str, language: str, message: str = "", by: int = 0) -> list[Any]:
        """Updates for ``everything``: so many disagreements after the one of that pair; without that collection, of the newest."""
        found = self.annotation.collections()
        chosen = next((one for one in found if one.id == collection_id), next(iter(found), None))
        if chosen is None:
            empty = notice(say("annotate.no_collections", language))
            return [gr.update(choices=[], value=None), empty, "", gr.update(visible=False), "", message]
        judged = self.annotation.quality(chosen.id)
        runs = {run.id: run.name for run in self.store.runs()}
        figures = quality(judged, self.annotation.compare_sources(chosen.id), runs, language)
        choices = gr.update(choices=[(one.name, one.id) for one in found], value=chosen.id)
        return [choices, figures, *_disagreement(judged, _following(judged, pair_id, by), language), message]


def _following(judged: Quality, pair_id: str, by: int) -> str:
    """The pair so many disagreements after this one, round and round; the first where this one is none (any more)."""
    ids = [one.pair.id for one in judged.disagreements]
    if pair_id not in ids:
        return ids[0] if ids else ""
    return ids[(ids.index(pair_id) + by) % len(ids)]


def _disagreement(judged: Quality, pair_id: str, language: str) -> list[Any]:
    """The pair, whether there is one, and what was said of it."""
    found = judged.disagreements
    place = next((place for place, one in enumerate(found) if one.pair.id == pair_id), None)
    if place is None:
        return ["", gr.update(visible=False), ""]
    names = {one.id: one.name for one in judged.annotators}
    return [pair_id, gr.update(visible=True), disagreement(found[place], place, len(found), names, language)]
