"""The Annotate tab: judging for everybody who may, and for the owner where pairs come from, how well they are judged, and the
frozen data.

Judging goes by the annotator's own routes, not through here. What the owner does stands in the modules beside this one;
what only the owner may do is refused by the handlers themselves, hidden or not.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.core.access import Access, requires, user_of
from lab.runs.scored_pairs import ScoredPairs
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from lab.ui.components.annotator.component import annotator
from lab.ui.handlers import LIGHT, Updates
from lab.ui.presets import Presets
from lab.ui.tabs.annotate.add import AddPairs
from lab.ui.tabs.annotate.dataset import DatasetPart
from lab.ui.tabs.annotate.pairs import Collections
from lab.ui.tabs.annotate.quality import QualityPart
from lab.ui.tabs.annotate.reward import RewardPart
from lab.ui.tabs.train.choices import StartChoices
from lab.ui.tabs.train.tab import TrainTab
from lab.words.sentences import language_of


class AnnotateTab:
    """Draws the tab where it is made; ``wire`` connects it."""

    def __init__(
        self,
        store: Store,
        supervisor: Supervisor,
        presets: Presets,
        i18n: gr.I18n,
        usual: CollectionSettings | None = None,
    ) -> None:
        """``usual``: the settings of a new collection, as long as the owner chooses no others."""
        self.store, self.annotation = store, Annotation(store, usual)
        with gr.Tabs(elem_id="annotate-tabs") as self.parts:
            with gr.Tab(i18n("annotate.judge"), id="judge"):
                self.annotator = annotator(elem_id="annotator")
            with (
                gr.Tab(i18n("annotate.collections"), id="collections", visible=False) as self.collections_tab,
                gr.Row(elem_classes="halves"),
            ):
                with gr.Column(scale=5, min_width=320, elem_id="add-pairs"):
                    self.add = AddPairs(self.annotation, store, supervisor.jobs, StartChoices(store, presets), i18n)
                with gr.Column(scale=6, min_width=320, elem_id="collections"):
                    self.collections = Collections(self.annotation, i18n)
            with gr.Tab(i18n("annotate.quality"), id="quality", visible=False) as self.quality_tab:
                self.quality = QualityPart(self.annotation, store, i18n)
                self.reward = RewardPart(self.annotation, ScoredPairs(store, supervisor.jobs), store, i18n)
            with gr.Tab(i18n("annotate.dataset"), id="dataset", visible=False) as self.dataset_tab:
                self.dataset = DatasetPart(self.annotation, i18n)

    def wire(self, blocks: gr.Blocks, tabs: gr.Tabs, train: TrainTab) -> None:
        """Connect the events."""
        self.tabs = tabs
        shown = [tabs, self.parts, self.annotator, *self.owners_parts, *self.quality.everything]
        blocks.load(self.opened, None, shown, **LIGHT)
        self.annotator.select(self.led_on, None, [self.parts], **LIGHT)
        self.collections_tab.select(
            self.collections.looked, [self.collections.chosen], self.collections.everything, **LIGHT
        )
        self.add.wire(self.collections, self.collections_tab)
        self.collections.wire(self.annotator, self.parts)
        self.quality.wire(self.quality_tab)
        self.reward.wire(self.quality_tab, self.quality.chosen)
        self.dataset.wire(self.dataset_tab, tabs, train)

    @property
    def owners_parts(self) -> list[Any]:
        """What an owner sees and nobody else."""
        return [self.collections_tab, self.quality_tab, self.dataset_tab]

    @requires(Access.VIEWER)
    def opened(self, request: gr.Request) -> Updates:
        """The page was loaded. An address with ``?collection=ID`` opens here, for the owner with ``&part=quality`` on how well that
        collection is judged. An annotator's first visit does too (``opening_tab.js``)."""
        owner = user_of(request).access >= Access.OWNER
        collection = str(request.query_params.get("collection") or "")
        value = {"owner": owner} | ({"collection": collection} if collection else {})
        updates: Updates = {part: gr.update(visible=owner) for part in self.owners_parts}
        updates[self.annotator] = json.dumps(value)
        if owner and collection and request.query_params.get("part") == "quality":
            updates[self.parts] = gr.Tabs(selected="quality")
            updates |= self.quality.show(collection, "", language_of(request))
        return updates | {self.tabs: gr.Tabs(selected="annotate")} if collection else updates

    @requires(Access.VIEWER)
    def led_on(self, event: gr.EventData) -> Updates:
        """The annotator has nothing to show and leads to where pairs are added."""
        return {self.parts: gr.Tabs(selected=str(event._data.get("to", "judge")))}
