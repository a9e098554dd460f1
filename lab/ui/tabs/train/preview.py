"""Three rows as the model will see them, under the Train form: opened on demand, by the owner, whose files it reads.

What the chat template adds is dimmed and set in another face; what the loss counts is underlined. All of it is shown as text.
Not here: how the rows are made (``lab/training/preview.py``).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from lab.core.access import Access, requires, user_of
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.preview import Previews
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.words import say
from lab.words.sentences import language_of, problem

SECONDS = 1.0
NO_ROWS = "pretrain"
"""The one algorithm without rows of prompts: it makes its text, and its tokenizer, itself."""


class PreviewPane:
    """Draws the disclosure where it is made; ``recipe_of`` gives the recipe in a draft, or raises LabError."""

    def __init__(self, previews: Previews, recipe_of: Callable[[Any], Recipe], i18n: gr.I18n) -> None:
        self._previews, self._recipe_of = previews, recipe_of
        self.open = gr.State(value=False)
        with gr.Accordion(
            i18n("train.preview"), open=False, elem_id="preview", elem_classes="more owner-only"
        ) as drawn:
            self.rows = gr.HTML(elem_id="preview-rows")
        self.accordion = drawn
        self.timer = gr.Timer(SECONDS, active=False)

    def wire(self, draft: gr.BrowserState) -> None:
        """Look when it is opened, at every edit while it is open, and on the timer while the rows are read."""
        inputs, outputs = [draft, self.open], [self.rows, self.timer]
        self.accordion.expand(self.unfolded, [draft], [self.open, *outputs], **LIGHT)
        self.accordion.collapse(self.folded, None, [self.open, *outputs], **LIGHT)
        draft.change(self.looked, inputs, outputs, **LIGHT)
        self.timer.tick(self.looked, inputs, outputs, **LIGHT)

    @requires(Access.OWNER)
    def unfolded(self, request: gr.Request, stored: Any) -> list[Any]:
        """Show the rows of what stands in the form."""
        return [True, *self.looked(request, stored, is_open=True)]

    @requires(Access.OWNER)
    def folded(self) -> list[Any]:
        """Ask for nothing more."""
        return [False, "", gr.Timer(active=False)]

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, stored: Any, is_open: bool) -> list[Any]:
        """The rows, and whether to look again soon. Only the owner's are read: a recipe may name any file of this machine."""
        if not is_open or user_of(request).access < Access.OWNER:
            return [gr.skip(), gr.Timer(active=False)]
        language = language_of(request)
        try:
            recipe = self._recipe_of(stored)
        except LabError:  # the form says what is wrong
            return [gr.skip(), gr.Timer(active=False)]
        if recipe.algorithm == NO_ROWS:
            return [notice(say("train.preview_none", language), "about"), gr.Timer(active=False)]
        found = self._previews.look(recipe)
        if found is None:
            return [notice(say("train.preview_reading", language), "about"), gr.Timer(active=True)]
        if isinstance(found, LabError):
            return [notice(problem(found, language), "problem"), gr.Timer(active=False)]
        return [shown(found, recipe.algorithm, language), gr.Timer(active=False)]


def shown(found: Mapping[str, Any], algorithm: str, language: str) -> str:
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
    return f'<div class="seen">{head}{_legend(algorithm, language)}{rows}{_left_out(found, language)}</div>'


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


def _legend(algorithm: str, language: str) -> str:
    counted = {"rm": "scored", "grpo": "", "ppo": ""}.get(algorithm, "counted")
    template = f'<span class="template">{html.escape(say("train.legend_template", language))}</span>'
    if not counted:
        return f'<p class="legend">{template} · {html.escape(say("train.legend_writes", language))}</p>'
    line = f'<span class="counted">{html.escape(say(f"train.legend_{counted}", language))}</span>'
    return f'<p class="legend">{line} · {template} · {html.escape(say("train.legend_masked", language))}</p>'


def _left_out(found: Mapping[str, Any], language: str) -> str:
    lines = [
        say("train.left_out_line", language, count=count, why=say(f"left_out.{why}", language, detail=detail))
        for why, detail, count in found["left_out"]
    ]
    if not lines:
        return ""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<div class="left-out">{html.escape(say("train.left_out", language))}<ul>{items}</ul></div>'
