"""A file of one's own to train on, on the Train tab: what training would read of it, which column is which, and its keeping.

What is kept is offered under Data in the form. Not here: the form itself (``form.py``), pairs to be judged (``tabs/annotate/file.py``).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.errors import DatasetError, LabError
from lab.store.runs import Store
from lab.store.uploads import RowsFile, Seen, Uploads
from lab.ui.file_reading import Readings, about_file, progress_bar, session_of
from lab.ui.handlers import LIGHT, READING, Updates, error_notice, words_errors
from lab.ui.notice import notice
from lab.words import say
from lab.words.sentences import language_of

USES = {"sft": ("prompt", "completion"), "rm": ("prompt", "chosen", "rejected"), "grpo": ("prompt", "answer")}
"""What a file may be for, by one of its algorithms, and the columns that this needs."""
SHOWN_TEXT = 400


class TrainUpload:
    """Draws the disclosure where it is made; ``wire`` connects it."""

    def __init__(self, store: Store, i18n: gr.I18n) -> None:
        self.uploads, self.readings = Uploads(store), Readings()
        with gr.Accordion(i18n("upload.title"), open=False, elem_id="upload", elem_classes="more owner-only") as drawn:
            gr.HTML(i18n("upload.hint"), elem_classes="quiet")
            uses = [(i18n(f"upload.for_{use}"), use) for use in USES]
            self.use = gr.Radio(uses, value="sft", label=i18n("upload.use"), elem_id="upload-use")
            self.file = gr.File(label=i18n("annotate.file"), height=132, elem_id="upload-file")
            with gr.Row(elem_classes="side-by-side"):
                self.mapped = [
                    gr.Dropdown([], label=i18n(f"upload.column_{place}"), interactive=True, visible=False, elem_id=f"upload-column-{place}")
                    for place in range(3)
                ]  # fmt: skip
            self.preview = gr.HTML(elem_id="upload-preview")
            self.cancel = gr.Button(i18n("agree.cancel"), size="sm", visible=False, elem_id="upload-cancel")
            self.name = gr.Textbox(label=i18n("annotate.name"), max_length=120, visible=False, elem_id="upload-name")
            self.keep = gr.Button(
                i18n("upload.keep"), variant="primary", size="sm", visible=False, elem_id="upload-keep"
            )
            self.message = gr.HTML(elem_id="upload-message")
            with gr.Row(elem_classes="side-by-side", visible=False) as self.kept_row:
                self.kept = gr.Dropdown([], label=i18n("upload.kept"), interactive=True, elem_id="upload-kept")
                self.delete = gr.Button(i18n("upload.delete"), variant="stop", size="sm", elem_id="upload-delete")
        self.accordion = drawn

    def wire(self) -> None:
        """Connect the events."""
        read = [self.use, self.file, *self.mapped]
        self.file.change(self.given, read, self.everything, **READING)
        self.use.input(self.given, read, self.everything, **READING)
        changes = [chooser.input for chooser in self.mapped]
        gr.on(changes, self.looked_at, read, self.everything, trigger_mode="always_last", **READING)
        self.cancel.click(self.cancelled, None, None, **LIGHT)
        kept = [self.message, self.kept_row, self.kept]
        self.keep.click(self.was_kept, [*read, self.name], [*kept, self.file], **READING)
        self.accordion.expand(self.opened, None, kept, **LIGHT)
        self.delete.click(self.deleted, [self.kept], kept, **LIGHT)

    @property
    def everything(self) -> list[Any]:
        """What reading a file changes."""
        return [self.preview, self.cancel, self.name, self.keep, *self.mapped]

    @requires(Access.OWNER)
    def given(self, request: gr.Request, use: Any, path: Any, *_: Any) -> Iterator[Updates]:
        """A file was given, or another use of it: its columns as they are likeliest meant, and what training would read."""
        if not path:
            yield self._ended("", ok=False) | {chooser: gr.update(visible=False) for chooser in self.mapped}
            return
        file = RowsFile(Path(str(path)), str(use))
        found: Any = None
        for found in self._read(request, file):
            yield self._shows(found, request)
        if not file.found_columns:
            return
        guess = file.guess_of(USES[str(use)])
        yield self._shows(found, request) | self._choosers(str(use), file.found_columns, guess, request)
        mapping = {name: column for name, column in guess.items() if name != column}
        if isinstance(found, DatasetError) and mapping:
            for found in self._read(request, RowsFile(Path(str(path)), str(use), mapping)):
                yield self._shows(found, request, mapping)

    @requires(Access.OWNER)
    def looked_at(self, request: gr.Request, use: Any, path: Any, *mapped: Any) -> Iterator[Updates]:
        """The same file with other columns chosen."""
        if not path:
            yield self._ended("", ok=False)
            return
        file = RowsFile(Path(str(path)), str(use), _mapping(str(use), mapped))
        for found in self._read(request, file):
            yield self._shows(found, request)

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request) -> None:
        """End what this page is reading."""
        self.readings.cancel(session_of(request))

    @requires(Access.OWNER)
    @words_errors("message", of_file=True)
    def was_kept(self, request: gr.Request, use: Any, path: Any, *values: Any) -> Iterator[Updates]:
        """Read the file once more and keep it; it is then offered under Data."""
        *mapped, name = values
        language = language_of(request)
        columns = _mapping(str(use), mapped)
        file = RowsFile(Path(str(path or "")), str(use), columns)
        with file:
            for progress in self.readings.follow(session_of(request), file):
                yield {self.message: progress_bar(progress, language)}
        count = file.seen.count if file.seen else 0
        upload = self.uploads.keep(Path(str(path)), str(name or ""), columns, count)
        message = notice(say("upload.is_kept", language, name=upload.name, count=f"{count:,}"))
        yield self._kept(message, upload.id) | {self.file: None}

    @requires(Access.OWNER)
    def opened(self) -> Updates:
        """What is kept already."""
        return self._kept("", "")

    @requires(Access.OWNER)
    @words_errors("message")
    def deleted(self, request: gr.Request, upload_id: Any) -> Updates:
        """Delete a file that is kept."""
        name = self.uploads.one(str(upload_id or "")).name
        self.uploads.delete(str(upload_id))
        return self._kept(notice(say("upload.is_deleted", language_of(request), name=name)), "")

    # ---- inside

    def _read(self, request: gr.Request, file: RowsFile) -> Iterator[Any]:
        return self.readings.states(session_of(request), file, lambda: file.seen)

    def _shows(self, found: Any, request: gr.Request, guessed: Mapping[str, str] | None = None) -> Updates:
        language = language_of(request)
        if isinstance(found, LabError):
            return self._ended(error_notice(found, request, of_file=True), ok=False)
        if isinstance(found, Seen):
            head = ""
            if guessed:
                pairs = say("plan.list", language).join(f"{ours} = {theirs}" for ours, theirs in guessed.items())
                head = notice(say("upload.guessed", language, columns=pairs), "about")
            return self._ended(head + seen_rows(found, language), ok=True)
        return {self.preview: progress_bar(found, language), self.cancel: gr.update(visible=True)}

    def _ended(self, shown: str, *, ok: bool) -> Updates:
        offered = gr.update(visible=ok)
        return {self.preview: shown, self.cancel: gr.update(visible=False), self.name: offered, self.keep: offered}

    def _choosers(self, use: str, columns: tuple[str, ...], guess: Mapping[str, str], request: gr.Request) -> Updates:
        """A chooser for each column that this use needs, with what is likeliest meant."""
        names, language = USES[use], language_of(request)
        updates: Updates = {chooser: gr.update(visible=False, value=None) for chooser in self.mapped}
        for chooser, name in zip(self.mapped, names, strict=False):
            label = say("upload.column_of", language, name=name)
            updates[chooser] = gr.update(visible=True, choices=list(columns), value=guess.get(name), label=label)
        return updates

    def _kept(self, told: str, chosen: str) -> Updates:
        found = self.uploads.all()
        choices = [(f"{one.name} · {one.rows:,}", one.id) for one in found]
        value = chosen or (found[0].id if found else None)
        return {
            self.message: told,
            self.kept_row: gr.update(visible=bool(found)),
            self.kept: gr.update(choices=choices, value=value),
        }


def seen_rows(found: Seen, language: str) -> str:
    """What training would read of a file, as HTML: counts, what was assumed or passed over, and the first rows as text."""
    told = [say("upload.seen", language, count=f"{found.count:,}", total=f"{found.total:,}")]
    rows = "".join(_row(row) for row in found.rows)
    reasons = "".join(
        f"<li>{html.escape(say('train.left_out_line', language, count=count, why=say(f'left_out.{why}', language, detail=detail)))}</li>"
        for why, detail, count in found.left_out
    )
    left_out = (
        f'<div class="left-out">{html.escape(say("train.left_out", language))}<ul>{reasons}</ul></div>'
        if reasons
        else ""
    )
    return f'{about_file(found, told, language)}<div class="pair-list">{rows}</div>{left_out}'


def _row(row: Mapping[str, Any]) -> str:
    cells = "".join(
        f'<h5>{html.escape(name)}</h5><div class="said" tabindex="0">{html.escape(_short(value))}</div>'
        for name, value in row.items()
        if name != "messages"
    )
    return f'<article class="one-pair">{cells}</article>'


def _short(value: Any) -> str:
    """A cell as text; of messages each with who said it."""
    if isinstance(value, list):
        value = "\n\n".join(f"{message['role']}: {message['content']}" for message in value)
    text = str(value)
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT].rstrip() + " …"


def _mapping(use: str, mapped: Any) -> dict[str, str]:
    """The lab's names → the file's, of those that differ."""
    chosen = zip(USES[use], (str(column or "") for column in mapped), strict=False)
    return {name: column for name, column in chosen if column and column != name}
