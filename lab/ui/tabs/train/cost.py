"""The line beside the Train form that says what the recipe in it will cost in memory and time, what would help where it does not fit, and what
becomes of its rows.

The form never waits for it: a measurement takes seconds, in a process of its own, and until it is there the line says so. Only
the owner's edits are measured; others see what was measured already. It keeps out of the way: nothing is measured in the first
seconds after an edit or the opening of a page, in which somebody may just press Start, nor while a run is on.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import gradio as gr

from lab.core.access import Access, user_of
from lab.core.budget import Estimate
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.changes import Topic
from lab.runs.estimate import Estimator
from lab.runs.run_time import RunTimes
from lab.ui.draft import Wait
from lab.ui.notice import MENDS, notes, notice
from lab.words import say
from lab.words.cost import cost, how_long, parts
from lab.words.sentences import language_of, problem

PAUSE = 4.0
"""Seconds from the opening of a page, or an edit, to a measurement."""


class CostLine:
    """Draws the line where it is made; ``training`` tells whether a run is on."""

    def __init__(self, estimator: Estimator, times: RunTimes, training: Callable[[], bool]) -> None:
        self._estimator, self._times, self._training = estimator, times, training
        self.line = gr.HTML(elem_id="cost", js_on_load=MENDS)

    def shown(self, request: gr.Request, recipe: Recipe, marks: Mapping[str, str], *, later: bool) -> tuple[str, Wait]:
        """The line for a recipe, and when to look again. With ``later`` nothing is measured yet: somebody is typing."""
        language = language_of(request)
        found: Estimate | LabError | None = self._estimator.known(recipe)
        if user_of(request).access < Access.OWNER:
            return (_shown(found, language) if isinstance(found, Estimate) else ""), Wait()
        waits = found is None and self._training()
        if found is None and not (later or waits):
            found = self._estimator.look(recipe)
        if found is None:
            told = notice(say("estimate.waits" if waits else "estimate.measuring", language), "about")
            if waits:
                return told, Wait({Topic.RUNS: marks[Topic.RUNS]})
            return told, Wait(seconds=PAUSE) if later else Wait({Topic.ANSWERS: marks[Topic.ANSWERS]})
        if isinstance(found, LabError):
            return f'<p class="note">{html.escape(problem(found, language))}</p>', Wait()
        told, waits_for = self._time(recipe, found, language, marks, later=later)
        return _shown(found, language) + told + notes(found.notes, language), waits_for

    def _time(
        self, recipe: Recipe, found: Estimate, language: str, marks: Mapping[str, str], *, later: bool
    ) -> tuple[str, Wait]:
        """How long it takes, once the memory is known; timed only where a second copy of what it needs has room."""
        seconds = self._times.known(recipe)
        if seconds is not None:
            return notice(how_long(seconds, recipe, language), "about"), Wait()
        if self._training() or 2 * found.need > found.memory.free:
            return notice(say("estimate.time_unknown", language), "about"), Wait()
        if later:
            return notice(say("estimate.time_measuring", language), "about"), Wait(seconds=PAUSE)
        answer = self._times.look(recipe)
        if isinstance(answer, LabError):
            return notice(problem(answer, language), "about"), Wait()
        if answer is None:
            return notice(say("estimate.time_measuring", language), "about"), Wait(
                {Topic.ANSWERS: marks[Topic.ANSWERS]}
            )
        return notice(how_long(answer, recipe, language), "about"), Wait()


def _shown(found: Estimate, language: str) -> str:
    return notice(f"{cost(found, language)} {parts(found, language)}", "about" if found.fits else "problem")
