"""An exported version taken back in by upload, on the Annotate tab: what it is, then in it is. What may be wrong is the store's to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.errors import LabError
from lab.ui.notice import notice
from lab.ui.tabs.annotate.pairs import Collections
from lab.ui.tabs.annotate.tables import exported
from lab.words import say
from lab.words.sentences import language_of, problem

FILES = [".zip", ".json", ".jsonl", ".parquet", ".md"]
"""All that an export writes may be picked at once; what is not needed is passed over."""


class TakeIn:
    """Draws the upload, the preview and the button where it is made; ``wire`` connects them."""

    def __init__(self, annotation: Annotation, i18n: gr.I18n) -> None:
        self.annotation = annotation
        gr.HTML(i18n("annotate.take_in_hint"), elem_classes="quiet")
        self.files = gr.File(
            label=i18n("annotate.take_in_files"),
            file_count="multiple",
            file_types=FILES,
            height=132,
            elem_id="export-files",
        )
        self.preview = gr.HTML(elem_id="export-preview")
        self.button = gr.Button(
            i18n("annotate.take_in_button"), variant="primary", interactive=False, elem_id="take-in-button"
        )
        self.message = gr.HTML(elem_id="take-in-message")

    def wire(self, shown: Collections) -> None:
        """Connect the events; what was taken in shows among the collections."""
        slow: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        self.files.change(self.given, [self.files], [self.preview, self.button], **slow)
        self.button.click(self.taken_in, [self.files], [self.message, self.files, *shown.everything], **slow)
        self.shown = shown

    @requires(Access.OWNER)
    def given(self, request: gr.Request, files: Any) -> list[Any]:
        """Files were picked: what they are."""
        language = language_of(request)
        if not files:
            return ["", gr.update(interactive=False)]
        try:
            found, same = self.annotation.preview_upload(files)
        except LabError as error:
            return [notice(_told(error, language), "problem"), gr.update(interactive=False)]
        return [exported(found, same, language), gr.update(interactive=True)]

    @requires(Access.OWNER)
    def taken_in(self, request: gr.Request, files: Any) -> list[Any]:
        """Take the version in, with the collection that it rests on."""
        language = language_of(request)
        try:
            done = self.annotation.import_upload(files or [])
        except LabError as error:
            kept = [gr.skip()] * (1 + len(self.shown.everything))
            return [notice(_told(error, language), "problem"), *kept]
        told = say("annotate.taken_in", language, name=done.name, count=done.preferences, hash=done.content_hash[7:19])
        return [notice(told), None, *self.shown.show(done.collection, language)]


def _told(error: LabError, language: str) -> str:
    """The sentence; a file is called by its name, for its folder was the page's own."""
    params = {key: Path(str(value)).name if key == "path" else value for key, value in error.params.items()}
    return problem(type(error)(error.key, **params), language)
