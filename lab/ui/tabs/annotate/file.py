"""A file of pairs, on the Annotate tab: what it holds, which column is which, what becomes of a choice that it records.

Where the pairs go: ``add.py``. Where a file is refused, the lab proposes which columns are meant, and shows the file read that way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.annotation.collections import Annotation
from lab.annotation.pairs_file import PairsFile, Preview
from lab.core.access import Access, requires
from lab.data.pair_rows import Known
from lab.errors import DatasetError, LabError
from lab.ui.file_reading import Readings, progress_bar, session_of
from lab.ui.handlers import LIGHT, READING, Updates, error_notice
from lab.ui.notice import notice
from lab.ui.tabs.annotate.tables import preview
from lab.words import say
from lab.words.sentences import language_of

MAPPED = (("prompt", "response_1", "response_2"), ("gold", "source_1", "source_2"))
"""What a file's columns may be chosen for: the first three together, each of the others by itself."""
VOTES = "votes"
"""Beside those of ``Known``: what the file says becomes judgements of a named annotator."""
EXPORT = "kind_export"


class FileWay:
    """Draws the fields where it is made; ``wire`` connects them."""

    def __init__(self, annotation: Annotation, i18n: gr.I18n) -> None:
        self.annotation, self.readings = annotation, Readings()
        self.file = gr.File(label=i18n("annotate.file"), height=132, elem_id="pairs-file")
        known = [(i18n(f"annotate_known.{value}"), value) for value in (*map(str, Known), VOTES)]
        self.known = gr.Radio(known, value=str(Known.RESPONSES), label=i18n("annotate.known"), elem_id="pairs-known")
        self.voter = gr.Textbox(
            label=i18n("annotate.voter"), info=i18n("annotate.voter_help"), max_length=80, visible=False,
            elem_id="pairs-voter",
        )  # fmt: skip
        with gr.Accordion(i18n("annotate.columns"), open=False, elem_classes="more", elem_id="pairs-columns") as drawn:
            gr.HTML(i18n("annotate.columns_hint"), elem_classes="quiet")
            self.mapped = []
            for names in MAPPED:
                with gr.Row(elem_classes="side-by-side"):
                    self.mapped += [
                        gr.Dropdown([], label=i18n(f"annotate_column.{name}"), interactive=True, elem_id=f"map-{name}")
                        for name in names
                    ]
            self.own = gr.Dropdown(
                [], label=i18n("annotate.own"), info=i18n("annotate.own_help"), multiselect=True, interactive=True,
                elem_id="pairs-own",
            )  # fmt: skip
        self.columns = drawn
        self.preview = gr.HTML(elem_id="pairs-preview")
        with gr.Row(elem_classes="actions"):
            self.cancel = gr.Button(i18n("agree.cancel"), size="sm", visible=False, elem_id="reading-cancel")
            self.as_export = gr.Button(i18n("annotate.as_export"), size="sm", visible=False, elem_id="as-export")

    def wire(self) -> None:
        """Connect the events; adding is ``AddPairs``'s."""
        read = [self.file, self.known, self.voter, self.own, *self.mapped]
        self.known.input(None, [self.known], [self.voter], js=SHOW_VOTER, **LIGHT)
        self.file.change(self.given, read, [*self.shown, self.columns, self.own, *self.mapped], **READING)
        changes = [self.known.input, self.own.input, *(chooser.input for chooser in self.mapped)]
        gr.on(changes, self.looked_at, read, self.shown, trigger_mode="always_last", **READING)
        self.cancel.click(self.cancelled, None, None, **LIGHT)

    @property
    def shown(self) -> list[Any]:
        """What reading changes."""
        return [self.preview, self.cancel, self.as_export]

    @property
    def fields(self) -> dict[str, Any]:
        """What is sent when pairs are added, by name."""
        mapped = {f"mapped_{place}": column for place, column in enumerate(self.mapped)}
        return {"file": self.file, "known": self.known, "voter": self.voter, "own": self.own, **mapped}

    @requires(Access.OWNER)
    def given(self, request: gr.Request, path: Any, known: Any, voter: Any, _own: Any, *_: Any) -> Iterator[Updates]:
        """A file was given: its columns to choose from, and its first pairs; where it is refused, as its columns are likeliest meant."""
        if not path:
            yield self._ended("") | self._choosers([], [None] * len(self.mapped), unsure=False)
            return
        file = self._file(path, known, voter, {}, ())
        state: Any = None
        for state in self._read(request, file):
            yield self._shows(state, request)
        choices = list(file.found_columns)
        guess = file.guess() if isinstance(state, DatasetError) and choices else {}
        places = [guess.get(name) for name in ("prompt", "chosen" if "chosen" in guess else "first")]
        places.append(guess.get("rejected" if "chosen" in guess else "second"))
        values = [*places, None, None, None] if guess else [None] * len(self.mapped)
        yield self._shows(state, request) | self._choosers(choices, values, unsure=bool(guess))
        if all(places) and any(name != column for name, column in guess.items()):
            for state in self._read(request, self._file(path, known, voter, _mapping(known, values), ())):
                yield self._shows(state, request, values)

    @requires(Access.OWNER)
    def looked_at(
        self, request: gr.Request, path: Any, known: Any, voter: Any, own: Any, *mapped: Any
    ) -> Iterator[Updates]:
        """The same file with another choice of columns, or of what is known."""
        if not path:
            yield self._ended("")
            return
        for state in self._read(request, self._file(path, known, voter, _mapping(known, mapped), own)):
            yield self._shows(state, request)

    @requires(Access.OWNER)
    def cancelled(self, request: gr.Request) -> None:
        """End what this page is reading."""
        self.readings.cancel(session_of(request))

    def to_add(self, request: gr.Request, sent: Mapping[str, Any]) -> tuple[PairsFile, Iterator[str]]:
        """The file that is to be added, and how far reading it is, as HTML. Iterating raises LabError."""
        mapped = [value for name, value in sent.items() if name.startswith("mapped_")]
        columns = _mapping(sent["known"], mapped)
        file = self._file(sent["file"], sent["known"], sent["voter"], columns, sent["own"], keep=True)
        steps = self.readings.follow(session_of(request), file)
        return file, (progress_bar(progress, language_of(request)) for progress in steps)

    # ---- inside

    def _file(
        self, path: Any, known: Any, voter: Any, columns: dict[str, str], own: Any, *, keep: bool = False
    ) -> PairsFile:
        votes = (str(voter or "").strip() or Path(str(path)).stem[:80]) if known == VOTES else ""
        kind = Known.RESPONSES if known == VOTES else Known(known)
        kept = [str(name) for name in own or ()]
        return self.annotation.pairs_file(
            str(path), columns=columns or None, known=kind, votes=votes, own=kept, keep=keep
        )

    def _read(self, request: gr.Request, file: PairsFile) -> Iterator[Any]:
        return self.readings.states(session_of(request), file, file.preview)

    def _shows(self, state: Any, request: gr.Request, guessed: list[Any] | None = None) -> Updates:
        """Updates for ``shown``: progress, a preview, or an error. ``guessed``: the columns that the lab chose by itself."""
        language = language_of(request)
        if isinstance(state, LabError):
            return self._ended(error_notice(state, request, of_file=True), is_export=state.key == EXPORT)
        if isinstance(state, Preview):
            head = ""
            if guessed is not None:
                names = dict(zip(("prompt", "first", "second"), guessed, strict=False))
                head = notice(say("annotate.guessed", language, **names), "about")
            return self._ended(head + preview(state, language))
        return self._ended(progress_bar(state, language)) | {self.cancel: gr.update(visible=True)}

    def _ended(self, shown: str, *, is_export: bool = False) -> Updates:
        """Updates for ``shown`` once nothing is read any more."""
        hidden, export = gr.update(visible=False), gr.update(visible=is_export)
        return {self.preview: shown, self.cancel: hidden, self.as_export: export}

    def _choosers(self, choices: list[str], values: list[Any], *, unsure: bool) -> Updates:
        """The columns to choose from and those that are chosen; open where the lab is ``unsure`` of them."""
        updates: Updates = {self.columns: gr.update(open=unsure), self.own: gr.update(choices=choices, value=[])}
        for chooser, value in zip(self.mapped, values, strict=True):
            updates[chooser] = gr.update(choices=choices, value=value)
        return updates


def _mapping(known: Any, mapped: Any) -> dict[str, str]:
    """The file's columns by the lab's names; prompt and responses only once all three are chosen.

    Where the first of the two responses is the better one, they are chosen and rejected; not so where a column says which one is. What a
    source is called depends on the form that the file turns out to have, so it is given under both names.
    """
    *three, gold, source_1, source_2 = (str(column or "") for column in mapped)
    better_first = known == Known.GOLD or (known == VOTES and not gold)
    sides = ("chosen", "rejected") if better_first else ("first", "second")
    texts = dict(zip(("prompt", *sides), three, strict=True)) if all(three) else {}
    further = {
        "winner" if known == VOTES else "gold": gold,
        "first_source": source_1,
        "source_chosen": source_1,
        "second_source": source_2,
        "source_rejected": source_2,
    }
    return texts | {name: column for name, column in further.items() if column}


SHOW_VOTER = f"(known) => [{{ __type__: 'update', visible: known === '{VOTES}' }}]"
