"""What the recipe in the form needs and is not here: one sentence, a button that fetches it, and how far that is.

Start waits until it is here. What is under way belongs to the app (``lab/runs/fetch/fetching.py``): a reload shows it again.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.fetch.downloads import Fetching
from lab.runs.fetch.fetching import Fetches, Thing, missing
from lab.runs.watch import size_text
from lab.store.runs import Store
from lab.ui.light import LIGHT
from lab.ui.notice import notice
from lab.words import say
from lab.words.sentences import language_of, problem

SECONDS = 1.0


class FetchRow:
    """Draws the row where it is made; ``recipe_of`` gives the recipe in a draft, or raises LabError."""

    def __init__(self, store: Store, recipe_of: Callable[[Any], Recipe], i18n: gr.I18n) -> None:
        self._home, self._recipe_of, self._fetches = store.home, recipe_of, Fetches(store.home)
        with gr.Column(visible=False, elem_id="fetch") as self.row:
            self.said = gr.HTML(elem_id="fetch-said")
            with gr.Row(elem_classes="actions"):
                button: dict[str, Any] = {"size": "sm", "min_width": 80, "elem_classes": "owner-only"}
                self.get = gr.Button(i18n("train.fetch"), variant="primary", elem_id="fetch-get", **button)
                self.cancel = gr.Button(i18n("train.fetch_cancel"), elem_id="fetch-cancel", visible=False, **button)
        self.timer = gr.Timer(SECONDS, active=False)
        self.lacking = gr.State(0)
        """How many things are not here; its change says that one has come."""

    def wire(self, blocks: gr.Blocks, draft: gr.BrowserState, start: gr.Button) -> None:
        """Look when the page opens, at every edit, and on the timer while something is fetched."""
        outputs = [self.row, self.said, self.get, self.cancel, self.timer, self.lacking, start]
        blocks.load(self.looked, [draft], outputs, **LIGHT)
        draft.change(self.looked, [draft], outputs, **LIGHT)
        self.timer.tick(self.looked, [draft], outputs, **LIGHT)
        self.get.click(self.fetch_asked, [draft], outputs, **LIGHT)
        self.cancel.click(self.fetch_ended, [draft], outputs, **LIGHT)

    @requires(Access.OWNER)
    def fetch_asked(self, request: gr.Request, stored: Any) -> list[Any]:
        """Fetch what is not here, or go on with it."""
        self._fetches.get(self._missing(stored))
        return self.looked(request, stored)

    @requires(Access.OWNER)
    def fetch_ended(self, request: gr.Request, stored: Any) -> list[Any]:
        """Stop fetching; what has come stays."""
        self._fetches.cancel(self._missing(stored))
        return self.looked(request, stored)

    @requires(Access.VIEWER)
    def looked(self, request: gr.Request, stored: Any) -> list[Any]:
        """The row for what stands in the form, and whether Start may be pressed."""
        things = self._missing(stored)
        if not things:
            hidden = [gr.update(visible=False), "", gr.skip(), gr.skip()]
            return [*hidden, gr.Timer(active=False), 0, gr.update(interactive=True)]
        language = language_of(request)
        told = [self._fetches.told(thing) for thing in things]
        busy = any(isinstance(one, Fetching) for one in told)
        begun = any(thing.begun for thing in things)
        label = say("train.fetch_go_on" if begun else "train.fetch", language)
        return [
            gr.update(visible=True),
            _said(things, told, language),
            gr.update(visible=not busy, value=label),
            gr.update(visible=busy),
            gr.Timer(active=busy),
            len(things),
            gr.update(interactive=False),
        ]

    def _missing(self, stored: Any) -> list[Thing]:
        try:
            return missing(self._recipe_of(stored), self._home)
        except LabError:  # the form says what is wrong
            return []


def _said(things: Sequence[Thing], told: Sequence[Fetching | LabError | None], language: str) -> str:
    names = say("plan.list", language).join(_named(thing, language) for thing in things)
    lines = [notice(say("train.fetch_missing", language, things=names), "missing")]
    for thing, one in zip(things, told, strict=True):
        if isinstance(one, LabError):
            lines.append(notice(problem(one, language), "problem"))
        elif one is not None:
            lines.append(_bar(thing, one, language))
    return "".join(lines)


def _named(thing: Thing, language: str) -> str:
    """*the model qwen2.5-0.5b (988 MB, Apache-2.0)*."""
    facts = [size_text(thing.size_bytes)] if thing.size_bytes else []
    facts += [thing.licence] if thing.licence else []
    named = say(f"train.fetch_{thing.kind}", language, name=thing.name)
    return named + (say("train.fetch_facts", language, facts=say("plan.list", language).join(facts)) if facts else "")


def _bar(thing: Thing, now: Fetching, language: str) -> str:
    stage = say(f"train.fetch_{now.stage}", language)
    figures, value = "", ""
    if now.total:
        value = f' value="{min(now.done, now.total)}" max="{now.total}"'
        figures = f" {size_text(now.done)} / {size_text(now.total)}"
    label = html.escape(f"{thing.name}: {stage}", quote=True)
    return (
        f'<div class="fetch-line"><span>{label}{html.escape(figures)}</span>'
        f'<progress aria-label="{label}"{value}></progress></div>'
    )
