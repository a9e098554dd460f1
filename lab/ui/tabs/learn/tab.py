"""The Learn tab: the course in eight steps. The steps are a component; what is here is the way to the tab where the same is done for real."""

from __future__ import annotations

from enum import StrEnum

import gradio as gr
from pydantic import BaseModel, ValidationError

from lab.core.access import Access, requires
from lab.ui.components.learn.component import learn
from lab.ui.handlers import LIGHT, Updates
from lab.words.components import claim_words, rule_words


class Target(StrEnum):
    """The tabs that a step leads to."""

    ANNOTATE = "annotate"
    RULES = "rules"
    TRAIN = "train"
    COMPARE = "compare"


class Chosen(BaseModel):
    """What the component fires."""

    tab: Target


class LearnTab:
    """Draws the tab where it is made; ``wire`` connects it."""

    def __init__(self) -> None:
        self.steps = learn(rules=rule_words(), claims=claim_words(), elem_id="learn")

    def wire(self, tabs: gr.Tabs) -> None:
        """Connect the way to the other tabs."""
        self.tabs = tabs
        self.steps.select(self.go, None, [tabs], **LIGHT)

    @requires(Access.VIEWER)
    def go(self, event: gr.EventData) -> Updates:
        """The tab of a step; the browser has filled its form already."""
        try:
            chosen = Chosen.model_validate(event._data)
        except ValidationError:  # no event of ours
            return {self.tabs: gr.skip()}
        return {self.tabs: gr.Tabs(selected=chosen.tab.value)}
