"""The collections of pairs, for their owner: how far each is, its settings, and the address for its annotators.

The address is put together in the browser: only it knows by which name the lab was reached.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.pairs import Collection, CollectionSettings
from lab.core.access import Access, requires
from lab.ui.copy_button import COPIES, ICON
from lab.ui.handlers import LIGHT, Updates, words_errors
from lab.ui.notice import notice, quiet
from lab.ui.tabs.annotate.tables import collections
from lab.words import say
from lab.words.sentences import language_of

SETTINGS = ("everyone", "overlap", "gold_rate", "strength", "reason")
"""In the order of ``settings_fields``."""


def explained(kind: Any, value: Any, i18n: gr.I18n, key: str, elem_id: str, **more: Any) -> Any:
    """A field with the label and the help that the text tables have under a key."""
    return kind(value, label=i18n(key), info=i18n(f"{key}_help"), elem_id=elem_id, **more)


def settings_fields(i18n: gr.I18n, prefix: str, usual: CollectionSettings | None = None) -> list[Any]:
    """Everyone, overlap, gold rate, strength and reason: how a collection is judged."""
    usual = usual or CollectionSettings()

    def field(kind: Any, name: str, **more: Any) -> Any:
        key, elem_id = f"annotate_setting.{name}", f"{prefix}-{name.replace('_', '-')}"
        return explained(kind, getattr(usual, name), i18n, key, elem_id, interactive=True, min_width=140, **more)

    everyone = field(gr.Checkbox, "everyone")
    with gr.Row(elem_classes="side-by-side"):
        numbers = [field(gr.Number, "overlap", precision=0, step=1), field(gr.Number, "gold_rate", step=0.05)]
    with gr.Row(elem_classes="side-by-side"):
        return [everyone, *numbers, field(gr.Checkbox, "strength"), field(gr.Checkbox, "reason")]


class Collections:
    """Draws the list and the settings where it is made; ``wire`` connects them."""

    def __init__(self, annotation: Annotation, i18n: gr.I18n) -> None:
        self.annotation = annotation
        gr.HTML(i18n("annotate.collections"), elem_classes="section")
        self.list = gr.HTML(elem_id="collection-list")
        with gr.Column(visible=False, elem_id="collection-panel") as self.panel:
            self.chosen = gr.Dropdown(
                [], label=i18n("annotate.collection"), interactive=True, elem_id="collection-chosen"
            )
            self.name = gr.Textbox(label=i18n("annotate.name"), max_length=120, elem_id="chosen-name")
            self.settings = settings_fields(i18n, "chosen")
            with gr.Row(elem_classes="actions"):
                self.judge = gr.Button(
                    i18n("annotate.judge_these"), variant="primary", size="sm", elem_id="judge-these"
                )
                self.save = gr.Button(i18n("annotate.save_settings"), size="sm", elem_id="save-settings")
                self.delete = gr.Button(i18n("annotate.delete"), variant="stop", size="sm", elem_id="delete-collection")
            self.link = gr.HTML(elem_id="collection-link", js_on_load=SHOW_ADDRESS + COPIES)
        self.message = gr.HTML(elem_id="collection-message")

    def wire(self, annotator: gr.HTML, parts: gr.Tabs) -> None:
        """Connect the events."""
        self.annotator, self.parts = annotator, parts
        self.chosen.input(self.looked, [self.chosen], self.everything, **LIGHT)
        self.save.click(self.saved, [self.chosen, self.name, *self.settings], self.everything, **LIGHT)
        self.delete.click(self.deleted, [self.chosen], self.everything, js=SURE, **LIGHT)
        self.judge.click(self.judged, [self.chosen], [annotator, parts], **LIGHT)

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.list, self.panel, self.chosen, self.name, *self.settings, self.link, self.message]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, chosen: Any) -> Updates:
        """The tab was opened, or another collection chosen."""
        return self.show(str(chosen or ""), language_of(request))

    @requires(Access.OWNER)
    @words_errors("message")
    def saved(self, request: gr.Request, chosen: Any, name: Any, *settings: Any) -> Updates:
        """Other settings, another name."""
        language = language_of(request)
        collection = self.annotation.change(str(chosen), name=str(name), **dict(zip(SETTINGS, settings, strict=True)))
        message = notice(say("annotate.settings_saved", language, name=collection.name))
        return self.show(collection.id, language, message)

    @requires(Access.OWNER)
    @words_errors("message")
    def deleted(self, request: gr.Request, chosen: Any) -> Updates:
        """Delete a collection that nobody has judged in. The browser sends none where its reader did not confirm."""
        language = language_of(request)
        if not chosen:
            return {self.message: gr.skip()}
        self.annotation.delete(str(chosen))
        return self.show("", language, notice(say("annotate.deleted", language)))

    @requires(Access.OWNER)
    def judged(self, chosen: Any) -> Updates:
        """Judge this collection."""
        value = json.dumps({"owner": True, "collection": str(chosen)})
        return {self.annotator: value, self.parts: gr.Tabs(selected="judge")}

    def show(self, collection_id: str, language: str, message: str = "") -> Updates:
        """Updates for ``everything``; without that collection, the newest."""
        there = self.annotation.collections()
        chosen = chosen_of(there, collection_id)
        updates: Updates = {
            self.list: collections(there, language),
            self.panel: gr.update(visible=chosen is not None),
            self.message: message,
        }
        if chosen is None:
            return updates
        settings = chosen.settings
        values = [getattr(settings, name) for name in SETTINGS]
        return updates | {
            self.chosen: gr.update(choices=choices_of(there), value=chosen.id),
            self.name: chosen.name,
            **dict(zip(self.settings, values, strict=True)),
            self.link: invite(chosen.id, language),
        }


def invite(collection_id: str, language: str) -> str:
    """The address at which a collection is judged, with a button that copies it, as HTML."""
    copy = html.escape(say("annotate.copy", language))
    return (
        f'{quiet(say("annotate.link", language))}<div class="command"><code data-path="judge/{html.escape(collection_id)}"></code>'
        f'<button type="button" aria-label="{copy}" title="{copy}">{ICON}</button></div>'
        f'<p class="quiet only-here" hidden>{html.escape(say("annotate.link_here", language))}</p>'
    )


def chosen_of(there: Sequence[Collection], collection_id: str) -> Collection | None:
    """The collection with this id, else the newest; None where there are none."""
    return next((collection for collection in there if collection.id == collection_id), next(iter(there), None))


def choices_of(there: Sequence[Collection]) -> list[tuple[str, str]]:
    """Collections as a chooser offers them: ``(name, id)``."""
    return [(collection.name, collection.id) for collection in there]


SHOW_ADDRESS = """
const fill = () => {
  const code = element.querySelector("code[data-path]");
  if (!code || code.textContent) return;
  code.textContent = window.labChanges.address(code.dataset.path);
  element.querySelector(".only-here").hidden = !["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
};
new MutationObserver(fill).observe(element, { childList: true, subtree: true });
fill();
"""
SURE = """(chosen) => {
  const chinese = /^zh/i.test(navigator.language);
  return [confirm(chinese ? "删除这个数据集？" : "Delete this collection?") ? chosen : ""];
}"""
