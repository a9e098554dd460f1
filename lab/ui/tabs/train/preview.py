"""Three rows as the model will see them, under the Train form: opened on demand, by the owner, whose files it reads.

What the chat template adds is dimmed and set in another face; what the loss counts is underlined. All of it is shown as text.
Not here: how the rows are made (``lab/training/preview.py``).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from lab.core.access import Access, user_of
from lab.core.algorithms import Algorithm, DataForm, algorithm_of
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.changes import Topic
from lab.runs.preview import Previews
from lab.ui.draft import Wait
from lab.ui.handlers import LIGHT
from lab.ui.notice import MENDS, notes, notice
from lab.words import say
from lab.words.sentences import language_of, problem


class PreviewPane:
    """Draws the disclosure where it is made; the draft says whether it is open."""

    def __init__(self, previews: Previews, i18n: gr.I18n) -> None:
        self._previews = previews
        with gr.Accordion(
            i18n("train.preview"), open=False, elem_id="preview", elem_classes="more owner-only"
        ) as drawn:
            self.rows = gr.HTML(elem_id="preview-rows", js_on_load=MENDS)
        self.accordion = drawn

    def wire(self) -> None:
        """The browser notes that it is open or closed, and asks with the draft."""
        self.accordion.expand(None, js="() => void window.labDraft.previewing(true)", **LIGHT)
        self.accordion.collapse(None, js="() => void window.labDraft.previewing(false)", **LIGHT)

    def looked(self, request: gr.Request, recipe: Recipe, marks: Mapping[str, str]) -> tuple[Any, Wait]:
        """The rows, and when to look again. Only the owner's are read: a recipe may name any file of this machine."""
        if user_of(request).access < Access.OWNER:
            return gr.skip(), Wait()
        language = language_of(request)
        if algorithm_of(recipe).data is DataForm.TEXTS:
            return notice(say("train.preview_none", language), "about"), Wait()
        seen = self._previews.look(recipe)
        if seen is None:
            waits = Wait({Topic.ANSWERS: marks[Topic.ANSWERS]})
            return notice(say("train.preview_reading", language), "about"), waits
        if isinstance(seen, LabError):
            return notice(problem(seen, language), "problem"), Wait()
        return shown(seen, algorithm_of(recipe), language), Wait()


def shown(found: Mapping[str, Any], algorithm: Algorithm, language: str) -> str:
    """A preview as HTML; nothing in it is markup but our own."""
    about = [
        say("train.preview_count", language, count=found["count"]),
        say(f"train.template_{found['template']}", language),
    ]
    head = notice(("" if language == "zh" else " ").join(about), "about")
    rows = "".join(
        f"<section><h4>{number} · {_column(column, seen, language)}</h4>{_text(seen, number, column, language)}</section>"
        for number, row in enumerate(found["rows"], start=1)
        for column, seen in row.items()
    )
    return f'<div class="seen">{head}{_legend(algorithm, language)}{rows}{notes(found["notes"], language)}</div>'


def _text(seen: Mapping[str, Any], number: int, column: str, language: str) -> str:
    """The row's own text, tokens of the template and what the loss counts, told apart by face and line, not by colour alone."""
    parts = "".join(
        f'<span class="{whose}{" counted" if counted else ""}">{html.escape(text)}</span>'
        for text, whose, counted in seen["parts"]
    )
    label = html.escape(f"{number} · {say(f'train.column_{column}', language)}", quote=True)
    return f'<div class="seen-text" tabindex="0" role="group" aria-label="{label}">{parts}</div>'


def _column(column: str, seen: Mapping[str, Any], language: str) -> str:
    words = [say(f"train.column_{column}", language), say("train.tokens", language, count=seen["tokens"])]
    if seen["cut"]:
        words.append(say("train.cut", language, count=seen["cut"]))
    return html.escape(" · ".join(words))


def _legend(algorithm: Algorithm, language: str) -> str:
    """What the marks mean: the tokens that the loss counts, or those that a reward model scores; none where the model writes them."""
    template = f'<span class="template">{html.escape(say("train.legend_template", language))}</span>'
    if not algorithm.data.answer_columns:
        return f'<p class="legend">{template} · {html.escape(say("train.legend_writes", language))}</p>'
    line = f'<span class="counted">{html.escape(say("train.legend_counted" if algorithm.writes_text else "train.legend_scored", language))}</span>'
    return f'<p class="legend">{line} · {template} · {html.escape(say("train.legend_masked", language))}</p>'
