"""What the recipe in the form needs and is not here: one sentence, a button that fetches it, and how far that is.

Start waits until it is here. What is under way belongs to the app (``lab/runs/fetch/fetching.py``): a reload shows it again.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.changes import Topic
from lab.runs.fetch.downloads import Fetching
from lab.runs.fetch.fetching import Fetches, Thing, missing
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from lab.ui.draft import Wait
from lab.ui.handlers import Updates
from lab.ui.notice import notice
from lab.words import say, size_text
from lab.words.sentences import language_of, problem


class FetchRow:
    """Draws the row where it is made; its buttons' events are the form's."""

    def __init__(self, store: Store, supervisor: Supervisor, i18n: gr.I18n) -> None:
        self._home, self._fetches = store.home, Fetches(store.home, supervisor.changes.answered)
        with gr.Column(visible=False, elem_id="fetch") as self.row:
            self.said = gr.HTML(elem_id="fetch-said")
            with gr.Row(elem_classes="actions"):
                button: dict[str, Any] = {"size": "sm", "min_width": 80, "elem_classes": "owner-only"}
                self.get = gr.Button(i18n("train.fetch"), variant="primary", elem_id="fetch-get", **button)
                self.cancel = gr.Button(i18n("train.fetch_cancel"), elem_id="fetch-cancel", visible=False, **button)

    @property
    def everything(self) -> list[Any]:
        """What another recipe changes."""
        return [self.row, self.said, self.get, self.cancel]

    def begin(self, recipe: Recipe) -> None:
        """Fetch what is not here, or go on with it."""
        self._fetches.get(missing(recipe, self._home))

    def end(self, recipe: Recipe) -> None:
        """Stop fetching; what has come stays."""
        self._fetches.cancel(missing(recipe, self._home))

    def shown(self, request: gr.Request, recipe: Recipe | None, marks: Mapping[str, str]) -> tuple[Updates, Wait, bool]:
        """Updates for ``everything``, when to look again, and whether something is missing. None: no recipe holds."""
        things = missing(recipe, self._home) if recipe is not None else []
        if not things:
            return {self.row: gr.update(visible=False), self.said: ""}, Wait(), False
        language = language_of(request)
        states = [self._fetches.told(thing) for thing in things]
        busy = any(isinstance(state, Fetching) for state in states)
        begun = any(thing.begun for thing in things)
        updates = {
            self.row: gr.update(visible=True),
            self.said: _sentences(things, states, language),
            self.get: gr.update(visible=not busy, value=say("train.fetch_go_on" if begun else "train.fetch", language)),
            self.cancel: gr.update(visible=busy),
        }
        return updates, Wait({Topic.ANSWERS: marks[Topic.ANSWERS]}) if busy else Wait(), True


def _sentences(things: Sequence[Thing], states: Sequence[Fetching | LabError | None], language: str) -> str:
    names = say("plan.list", language).join(_named(thing, language) for thing in things)
    lines = [notice(say("train.fetch_missing", language, things=names), "missing")]
    for thing, state in zip(things, states, strict=True):
        if isinstance(state, LabError):
            lines.append(notice(problem(state, language), "problem"))
        elif state is not None:
            lines.append(_bar(thing, state, language))
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
