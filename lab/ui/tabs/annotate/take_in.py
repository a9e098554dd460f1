"""An exported version taken back in by upload, on the Annotate tab: what it is, then in it is. What may be wrong is the store's to say."""

from __future__ import annotations

from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.errors import LabError
from lab.ui.handlers import SLOW, Updates, error_notice, words_errors
from lab.ui.notice import notice
from lab.ui.tabs.annotate.pairs import Collections
from lab.ui.tabs.annotate.tables import exported
from lab.words import say
from lab.words.sentences import language_of

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
        self.files.change(self.given, [self.files], [self.preview, self.button], **SLOW)
        self.button.click(self.taken_in, [self.files], [self.message, self.files, *shown.everything], **SLOW)
        self.shown = shown

    @requires(Access.OWNER)
    def given(self, request: gr.Request, files: Any) -> Updates:
        """Files were picked: what they are."""
        preview, usable = "", False
        try:
            if files:
                version, same = self.annotation.preview_upload(files)
                preview, usable = exported(version, same, language_of(request)), True
        except LabError as error:
            preview = error_notice(error, request, of_file=True)
        return {self.preview: preview, self.button: gr.update(interactive=usable)}

    @requires(Access.OWNER)
    @words_errors("message", of_file=True)
    def taken_in(self, request: gr.Request, files: Any) -> Updates:
        """Take the version in, with the collection that it rests on."""
        language = language_of(request)
        done = self.annotation.import_upload(files or [])
        version = done.version
        key = "annotate.taken_in_before" if done.was_here else "annotate.taken_in"
        message = say(key, language, name=version.name, count=version.preferences, hash=version.content_hash[7:19])
        return {self.message: notice(message), self.files: None, **self.shown.show(version.collection, language)}
