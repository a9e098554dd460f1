"""The button of the Groups tab that takes in what another tool recorded: it reads the files, says what was made of them, and shows the groups."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from lab.core.access import Access, requires
from lab.data.recordings import Recording
from lab.errors import LabError
from lab.store.recordings import RolloutFiles
from lab.store.runs import Store
from lab.ui.file_reading import Readings, progress_bar, session_of
from lab.ui.handlers import LIGHT, READING, Updates, error_notice
from lab.words import say
from lab.words.recordings import left_out_sentences, note_sentences
from lab.words.sentences import language_of

if TYPE_CHECKING:
    from lab.ui.tabs.groups.tab import GroupsTab

SUFFIXES = [".jsonl", ".json", ".parquet", ".gz"]


class TakeIn:
    """Drawn where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, i18n: gr.I18n) -> None:
        self.store = store
        self.readings = Readings()
        with gr.Row(elem_classes="owner-only", elem_id="groups-take-in"):
            self.upload = gr.UploadButton(
                i18n("groups.take_in"), file_count="multiple", file_types=SUFFIXES, size="sm", min_width=200, scale=0
            )
            self.cancel = gr.Button(i18n("groups.take_in_cancel"), visible=False, size="sm", min_width=100, scale=0)
        self.message = gr.HTML("", elem_id="groups-taken-in")

    def wire(self, tab: GroupsTab) -> None:
        """Connect the events; ``tab`` shows what was taken in."""
        self.tab = tab
        outputs = [self.message, self.cancel, *tab.everything]
        self.upload.upload(self.taken_in, [self.upload], outputs, **READING)
        self.cancel.click(self.cancelled, None, [self.cancel], **LIGHT)

    @requires(Access.OWNER)
    def taken_in(self, request: gr.Request, files: Any) -> Iterator[Updates]:
        """Read the files, and show their groups."""
        paths = [Path(str(file)) for file in files or ()]
        language = language_of(request)
        try:
            with RolloutFiles(paths) as reading:
                yield {self.message: progress_bar(None, language), self.cancel: gr.update(visible=True)}
                for progress in self.readings.follow(session_of(request), reading):
                    yield {self.message: progress_bar(progress, language)}
                recording = reading.keep(self.store)
        except LabError as error:
            yield {self.message: error_notice(error, request, of_file=True), self.cancel: gr.update(visible=False)}
            return
        shown = self.tab.show(recording.id, language)
        yield {self.message: _told(recording, language), self.cancel: gr.update(visible=False), **shown}

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request) -> Updates:
        """End the reading that goes on."""
        self.readings.cancel(session_of(request))
        return {self.cancel: gr.update(visible=False)}


def _told(recording: Recording, language: str) -> str:
    counts = {"groups": recording.groups, "completions": recording.completions, "steps": recording.steps}
    about = {"name": recording.name, "id": recording.id, "tool": recording.tool}
    head = say("recordings.taken_in", language, **about, **counts)
    more = [*note_sentences(recording, language), *left_out_sentences(recording, language)]
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in more)
    listed = f"<ul>{items}</ul>" if items else ""
    return f'<div class="taken-in" role="status"><p class="note">{html.escape(head)}</p>{listed}</div>'
