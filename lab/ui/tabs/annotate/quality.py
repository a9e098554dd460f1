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
from lab.ui.handlers import LIGHT, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.tabs.annotate.pairs import choices_of, chosen_of
from lab.ui.tabs.annotate.tables import disagreement, quality
from lab.words import say
from lab.words.sentences import language_of

DECISIONS = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)


JUDGED = """
const PAUSE = 1500;
let mark = window.labChanges.marks.judgements;
let timer = null;
const seen = () => element.offsetParent !== null && !document.hidden;
const look = () => {
  timer = null;
  if (!seen() || window.labChanges.marks.judgements === mark) return;
  mark = window.labChanges.marks.judgements;
  trigger("select", {});
};
window.labChanges.listen(() => {
  if (mark === undefined) mark = window.labChanges.marks.judgements;
  if (timer === null && window.labChanges.marks.judgements !== mark) timer = setTimeout(look, PAUSE);
});
"""
"""While the tab is in sight and the page's event stream says that somebody has judged: fires, at most once in a while."""


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
        self.judged = gr.HTML("{}", html_template="<i></i>", js_on_load=JUDGED, elem_id="quality-judged")

    def wire(self, tab: gr.Tab) -> None:
        """Connect the events."""
        here = [self.chosen, self.pair]
        tab.select(self.looked, here, self.everything, **LIGHT)
        self.judged.select(self.looked, here, self.everything, **LIGHT)
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
    def looked(self, request: gr.Request, chosen: Any, pair: Any) -> Updates:
        """The tab was opened, or somebody has judged while it is: the figures of now."""
        return self.show(str(chosen or ""), str(pair), language_of(request))

    @requires(Access.OWNER)
    def chose(self, request: gr.Request, chosen: Any) -> Updates:
        """Another collection."""
        return self.show(str(chosen), "", language_of(request))

    @requires(Access.OWNER)
    def went_on(self, request: gr.Request, chosen: Any, pair: Any) -> Updates:
        """The next disagreement."""
        return self.show(str(chosen), str(pair), language_of(request), by=1)

    @requires(Access.OWNER)
    def went_back(self, request: gr.Request, chosen: Any, pair: Any) -> Updates:
        """The one before."""
        return self.show(str(chosen), str(pair), language_of(request), by=-1)

    def _decided(self, choice: Choice) -> Any:
        @requires(Access.OWNER)
        def decided(request: gr.Request, chosen: Any, pair: Any) -> Updates:
            language = language_of(request)
            try:
                following = _following(self.annotation.quality(str(chosen)), str(pair), 1)
                adjudicate(self.store, user_of(request), str(chosen), str(pair), choice)
            except LabError as error:  # the pair may be gone: what is there now is shown with the sentence
                return self.show(str(chosen), str(pair), language, error_notice(error, request))
            message = say("annotate.decided", language, choice=say(f"annotate_choice.{choice}", language))
            return self.show(str(chosen), following, language, notice(message))

        return decided

    def show(self, collection_id: str, pair_id: str, language: str, message: str = "", by: int = 0) -> Updates:
        """Updates for ``everything``: so many disagreements after the one of that pair; without that collection, of the newest."""
        there = self.annotation.collections()
        chosen = chosen_of(there, collection_id)
        updates: Updates = {
            self.chosen: gr.update(choices=choices_of(there), value=chosen.id if chosen else None),
            self.message: message,
        }
        if chosen is None:
            return updates | {self.figures: notice(say("annotate.no_collections", language)), **self._no_disagreement()}
        judged = self.annotation.quality(chosen.id)
        runs = {run.id: run.name for run in self.store.runs()}
        updates[self.figures] = quality(judged, self.annotation.compare_sources(chosen.id), runs, language)
        return updates | self._disagreement(judged, _following(judged, pair_id, by), language)

    def _disagreement(self, judged: Quality, pair_id: str, language: str) -> Updates:
        """A pair that people judged differently, and what they said of it."""
        disagreements = judged.disagreements
        place = next((place for place, row in enumerate(disagreements) if row.pair.id == pair_id), None)
        if place is None:
            return self._no_disagreement()
        names = {annotator.id: annotator.name for annotator in judged.annotators}
        text = disagreement(disagreements[place], place, len(disagreements), names, language)
        return {self.pair: pair_id, self.panel: gr.update(visible=True), self.shown: text}

    def _no_disagreement(self) -> Updates:
        return {self.pair: "", self.panel: gr.update(visible=False), self.shown: ""}


def _following(judged: Quality, pair_id: str, by: int) -> str:
    """The pair so many disagreements after this one, round and round; the first where this one is none (any more)."""
    ids = [row.pair.id for row in judged.disagreements]
    if pair_id not in ids:
        return ids[0] if ids else ""
    return ids[(ids.index(pair_id) + by) % len(ids)]
