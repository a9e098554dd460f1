"""Several runs at once, from the list: what differs between their recipes, comparing them, deleting them; tags and a note on one.

Not here: what is done with the selected run (``runs.py``), the list itself (``lab/ui/components/run_list``).
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from lab.core.access import Access, requires
from lab.core.run_titles import differences
from lab.errors import LabError
from lab.runs.supervisor import Supervisor
from lab.store.run_cards import read_card, write_card
from lab.store.run_titles import run_titles
from lab.store.runs import Run, Store
from lab.ui.handlers import LIGHT, Updates, error_notice, words_errors
from lab.ui.notice import notice
from lab.words import say
from lab.words.sentences import language_of

MOST = 500
LONGEST = 60


class ManyRuns:
    """Draws its rows where it is made; ``wire`` connects them to the list."""

    def __init__(self, store: Store, supervisor: Supervisor, i18n: gr.I18n) -> None:
        self.store, self.supervisor = store, supervisor
        self.message = gr.HTML(elem_id="many-message")
        self.chosen = gr.Textbox(visible=False)
        with gr.Row(visible=False, elem_classes="ask") as self.row:
            self.sure = gr.HTML(elem_id="many-sure")
            self.delete = gr.Button(
                i18n("train.delete_yes"), variant="stop", size="sm", min_width=60, elem_id="many-delete"
            )
            self.keep = gr.Button(i18n("train.keep"), size="sm", min_width=60)
        with gr.Accordion(i18n("train.card"), open=False, elem_classes="more", elem_id="run-card") as self.card:
            self.tags = gr.Textbox(
                label=i18n("train.tags"), info=i18n("train.tags_help"), max_length=400, elem_id="run-tags"
            )
            self.note = gr.Textbox(label=i18n("train.note"), lines=2, max_length=2000, elem_id="run-note")
            # Whose tags and note these are: the run that is selected may be another one while the answer is on its way.
            self.card_of = gr.Textbox(visible=False)
            self.save = gr.Button(
                i18n("train.save_card"), size="sm", min_width=60, elem_classes="owner-only", elem_id="save-card"
            )

    def wire(self, runs: Any, after: Callable[[gr.Request, str], Updates], everything: Sequence[Any]) -> None:
        """Connect the events; ``after`` gives the updates of the list once runs are gone."""
        self._after, self._list = after, runs.list
        asked = [self.message, self.row, self.sure, self.chosen]
        runs.list.submit(self.ask_delete, None, asked, **LIGHT)
        runs.list.input(self.told_apart, None, [self.message], **LIGHT)
        self.keep.click(self.kept, None, [self.row], **LIGHT)
        self.delete.click(self.deleted_many, [self.chosen, runs.selected], [*asked, *everything], **LIGHT)
        card = [self.card_of, self.tags, self.note]
        self.card.expand(self.card_shown, [runs.selected], card, **LIGHT)
        runs.selected.change(self.card_shown, [runs.selected], card, **LIGHT)
        self.save.click(self.card_saved, card, [self.message], **LIGHT)

    # ---- what was clicked

    @requires(Access.VIEWER)
    def told_apart(self, request: gr.Request, event: gr.EventData) -> Updates:
        """What differs between the recipes of the runs that are ticked."""
        if event._data.get("act") != "differences":
            return {self.message: gr.skip()}
        return {self.message: self._table(self._runs(event._data.get("runs")), language_of(request))}

    @requires(Access.OWNER)
    def ask_delete(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Ask before deleting the runs that are ticked."""
        runs = self._runs(event._data.get("runs"))
        names = ", ".join(run.name for run in runs[:5]) + (" …" if len(runs) > 5 else "")
        sentence = say("train.delete_many_sure", language_of(request), count=len(runs), names=names)
        chosen = json.dumps([run.id for run in runs])
        return {
            self.sure: html.escape(sentence),
            self.row: gr.update(visible=bool(runs)),
            self.chosen: chosen,
            self.message: "",
        }

    @requires(Access.OWNER)
    def deleted_many(self, request: gr.Request, chosen: Any, selected: Any) -> Updates:
        """Delete them, one after the other; what cannot be deleted stays, and is told with its reason."""
        language, gone, kept = language_of(request), 0, []
        try:
            ids = json.loads(chosen or "[]")
        except ValueError:
            ids = []
        for run in sorted(self._runs(ids), key=lambda run: -run.created):  # a successor before what it stands on
            try:
                self.supervisor.delete(run.id)
                gone += 1
            except LabError as error:
                kept.append(error_notice(error, request))
        done = notice(say("train.deleted_many", language, count=gone)) if gone else ""
        asked = {self.row: gr.update(visible=False), self.sure: "", self.chosen: ""}
        return {**self._after(request, str(selected or "")), **asked, self.message: done + "".join(kept)}

    @requires(Access.VIEWER)
    def kept(self) -> Updates:
        """Delete nothing."""
        return {self.row: gr.update(visible=False)}

    @requires(Access.VIEWER)
    def card_shown(self, selected: Any) -> Updates:
        """What stands on the selected run."""
        try:
            card = read_card(self.store.folder(str(selected)))
        except LabError:
            return {self.card_of: "", self.tags: "", self.note: ""}
        return {self.card_of: str(selected), self.tags: " ".join(card.tags), self.note: card.note}

    @requires(Access.OWNER)
    @words_errors("message")
    def card_saved(self, request: gr.Request, run_id: Any, tags: Any, note: Any) -> Updates:
        """Write tags and note on the run that they were shown for. Raises StateError ``no_such_run`` where it is gone."""
        run = self.store.run(str(run_id))
        write_card(self.store.folder(run.id), str(tags or ""), str(note or ""))
        return {self.message: notice(say("train.card_saved", language_of(request), name=run.name))}

    # ---- inside

    def _runs(self, ids: Any) -> list[Run]:
        """The runs of these ids that are there."""
        wanted = {str(run_id) for run_id in ids[:MOST]} if isinstance(ids, list) else set()
        return [run for run in self.store.runs() if run.id in wanted]

    def _table(self, runs: Sequence[Run], language: str) -> str:
        titles = run_titles(self.store, language)
        rows = differences({run.id: run.recipe for run in runs})
        if not rows:
            return notice(say("train.same_recipes", language, count=len(runs)))
        names = {f"run:{run_id}": title for run_id, title in titles.items()}
        head = "".join(f'<th scope="col">{html.escape(titles[run.id])}</th>' for run in runs)
        lines = "".join(
            f"<tr><td>{html.escape(path)}</td>{''.join(f'<td>{html.escape(_brief(values[run.id], names))}</td>' for run in runs)}</tr>"
            for path, values in rows.items()
        )
        first = html.escape(say("train.setting", language))
        return (
            f'<div class="wide-table differences" tabindex="0"><table><thead><tr><th scope="col">{first}</th>{head}</tr></thead>'
            f"<tbody>{lines}</tbody></table></div>"
        )


def _brief(value: Any, names: Mapping[str, str]) -> str:
    """A value of a recipe in one cell: a run by its title, rules by their names."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(str(each.get("name", "?")) if isinstance(each, Mapping) else str(each) for each in value)
    text = names.get(str(value), str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
