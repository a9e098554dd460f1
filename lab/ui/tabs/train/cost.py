"""The line beside the Train form that says what the recipe in it will cost in memory, and what would help where it does not fit.

The form never waits for it: a measurement takes seconds, in a process of its own, and until it is there the line says so. Only
the owner's edits are measured; others see what was measured already. It keeps out of the way: nothing is measured in the first
seconds after an edit or the opening of a page, in which somebody may just press Start, nor while a run is on.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from lab.core.access import Access, requires, user_of
from lab.core.budget import Estimate
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.estimate import Estimator
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.words import say
from lab.words.cost import cost, parts
from lab.words.sentences import language_of, problem

SECONDS = 1.5
PAUSE = 4.0
"""Seconds from the opening of a page, or an edit, to a measurement; and between looks while a run is on."""


class CostLine:
    """Draws the line where it is made; ``recipe_of`` gives the recipe in a draft, or raises LabError where it is not valid."""

    def __init__(self, estimator: Estimator, recipe_of: Callable[[Any], Recipe], training: Callable[[], bool]) -> None:
        self._estimator, self._recipe_of, self._training = estimator, recipe_of, training
        self.line = gr.HTML(elem_id="cost")
        self.timer = gr.Timer(SECONDS, active=False)

    def wire(self, blocks: gr.Blocks, draft: gr.BrowserState) -> None:
        """Look when the page opens, at every edit, and, while something is measured, on the timer."""
        outputs = [self.line, self.timer]
        blocks.load(self.changed, [draft], outputs, **LIGHT)
        draft.change(self.changed, [draft], outputs, **LIGHT)
        self.timer.tick(self.looked, [draft], outputs, **LIGHT)

    @requires(Access.VIEWER)
    def changed(self, request: gr.Request, stored: Any) -> list[Any]:
        """The line where it is known; else it is measured a little later."""
        return self._look(request, stored, later=True)

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, stored: Any) -> list[Any]:
        """The line for what stands in the form, and whether to look again soon."""
        return self._look(request, stored, later=False)

    def _look(self, request: gr.Request, stored: Any, *, later: bool) -> list[Any]:
        language = language_of(request)
        try:
            recipe = self._recipe_of(stored)
        except LabError:  # the form says what is wrong; the last line that was true stays
            return [gr.skip(), gr.Timer(active=False)]
        found: Estimate | LabError | None = self._estimator.known(recipe)
        if user_of(request).access < Access.OWNER:
            return [_shown(found, language) if isinstance(found, Estimate) else "", gr.Timer(active=False)]
        waits = found is None and self._training()
        if found is None and not (later or waits):
            found = self._estimator.look(recipe)
        if found is None:
            told = say("estimate.waits" if waits else "estimate.measuring", language)
            again = gr.Timer(PAUSE if later or waits else SECONDS, active=True)
            return [notice(told, "about"), again]
        if isinstance(found, LabError):
            return [f'<p class="note">{html.escape(problem(found, language))}</p>', gr.Timer(active=False)]
        return [_shown(found, language), gr.Timer(active=False)]


def _shown(found: Estimate, language: str) -> str:
    return notice(f"{cost(found, language)} {parts(found, language)}", "about" if found.fits else "problem")
