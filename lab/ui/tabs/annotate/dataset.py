"""From judgements to data, for their owner: what the rule gives now, the frozen versions, their files, and training on them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.core.names import told_apart
from lab.core.preferences import Derivation
from lab.errors import InputError, LabError
from lab.ui.draft import with_draft
from lab.ui.handlers import LIGHT, SLOW, Updates, error_notice, words_errors
from lab.ui.notice import notice, quiet
from lab.ui.tabs.annotate.pairs import choices_of, chosen_of, explained
from lab.ui.tabs.annotate.tables import derived, edits, versions
from lab.ui.tabs.train.form import TrainForm
from lab.ui.tabs.train.tab import TrainTab
from lab.words import say
from lab.words.sentences import language_of

TRAINED = ("rm", "dpo", "ppo")


class DatasetPart:
    """Draws rule and versions where it is made; ``wire`` connects them."""

    def __init__(self, annotation: Annotation, i18n: gr.I18n) -> None:
        self.annotation = annotation
        usual = Derivation()

        def field(kind: Any, value: Any, name: str, **more: Any) -> Any:
            return explained(kind, value, i18n, f"annotate.{name}", name.replace("_", "-"), **more)

        with gr.Row(elem_classes="halves"):
            with gr.Column(scale=5, min_width=320, elem_id="freeze-half"):
                gr.HTML(i18n("annotate.freeze"), elem_classes="section")
                self.chosen = gr.Dropdown(
                    [], label=i18n("annotate.collection"), interactive=True, elem_id="freeze-collection"
                )
                with gr.Row(elem_classes="side-by-side"):
                    self.votes = field(gr.Number, usual.least_votes, "least_votes", precision=0, step=1)
                    self.agreement = field(gr.Number, usual.least_agreement, "least_agreement", step=0.05)
                with gr.Row(elem_classes="side-by-side"):
                    self.edits = field(gr.Checkbox, usual.use_edits, "use_edits")
                    self.gold = field(gr.Checkbox, False, "with_gold")
                with gr.Row(elem_classes="side-by-side"):
                    self.adjudications = field(gr.Checkbox, usual.use_adjudications, "use_adjudications")
                    self.revealed = field(gr.Checkbox, usual.use_revealed, "use_revealed")
                self.counts = gr.HTML(elem_id="would-give")
                self.name = gr.Textbox(label=i18n("annotate.version_name"), max_length=120, elem_id="version-name")
                self.freeze = gr.Button(i18n("annotate.freeze_button"), variant="primary", elem_id="freeze")
                self.message = gr.HTML(elem_id="freeze-message")
            with gr.Column(scale=6, min_width=320, elem_id="versions-half"):
                gr.HTML(i18n("annotate.versions"), elem_classes="section")
                self.list = gr.HTML(elem_id="version-list")
                with gr.Column(visible=False, elem_id="version-panel") as self.panel:
                    self._draw_version(i18n)

    def _draw_version(self, i18n: gr.I18n) -> None:
        self.version = gr.Dropdown([], label=i18n("annotate.version"), interactive=True, elem_id="version-chosen")
        with gr.Row(elem_classes="actions"):
            self.train = [
                gr.Button(i18n(f"annotate.train_{name}"), variant="primary", size="sm", elem_id=f"train-{name}")
                for name in TRAINED
            ]
            self.export = gr.Button(i18n("annotate.export"), size="sm", elem_id="export-version")
        self.files = gr.File(
            label=i18n("annotate.files"),
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="version-files",
        )
        with gr.Accordion(i18n("annotate.hub"), open=False, elem_classes="more"), gr.Row(elem_classes="side-by-side"):
            self.repository = gr.Textbox(
                label=i18n("annotate.repository"), placeholder="name/dataset", elem_id="hub-repository"
            )
            self.token = gr.Textbox(label=i18n("annotate.token"), type="password", elem_id="hub-token")
            self.private = gr.Checkbox(True, label=i18n("annotate.private"), elem_id="hub-private")
            self.push = gr.Button(i18n("annotate.push"), size="sm", elem_id="hub-push")
        self.told = gr.HTML(elem_id="version-message")

    # ---- events

    def wire(self, tab: gr.Tab, tabs: gr.Tabs, train: TrainTab) -> None:
        """Connect the events; training goes on at the Train tab, with the data filled in."""
        tab.select(self.looked, [self.chosen, self.version, *self.rule], self.everything, **LIGHT)
        self.chosen.input(self.looked, [self.chosen, self.version, *self.rule], self.everything, **LIGHT)
        changes = [field.input for field in self.rule]
        gr.on(changes, self.counted, [self.chosen, *self.rule], [self.counts], **LIGHT)
        self.freeze.click(self.frozen, [self.chosen, self.name, *self.rule], [self.message, *self.everything], **SLOW)
        self.export.click(self.exported, [self.version], [self.files, self.told], **SLOW)
        self.push.click(self.pushed, [self.version, self.repository, self.private, self.token], [self.told], **SLOW)
        for button, name in zip(self.train, TRAINED, strict=True):
            button.click(
                self._trained(name, tabs, train.form),
                [train.form.draft, self.version],
                [tabs, self.told, *train.form.everything],
                js=with_draft("version"),
                **LIGHT,
            )

    @property
    def rule(self) -> list[Any]:
        """What the rule is made of."""
        return [self.votes, self.agreement, self.edits, self.adjudications, self.revealed, self.gold]

    @property
    def everything(self) -> list[Any]:
        """What another collection changes."""
        return [self.chosen, self.counts, self.list, self.panel, self.version, self.files]

    @requires(Access.OWNER)
    def looked(self, request: gr.Request, chosen: Any, version: Any, *rule: Any) -> Updates:
        """The tab was opened, or another collection chosen."""
        return self.show(str(chosen or ""), str(version or ""), rule, request)

    @requires(Access.OWNER)
    def counted(self, request: gr.Request, chosen: Any, *rule: Any) -> Updates:
        """What another rule would give."""
        return {self.counts: self._counts(str(chosen or ""), rule, request)}

    @requires(Access.OWNER)
    @words_errors("message")
    def frozen(self, request: gr.Request, chosen: Any, name: Any, *rule: Any) -> Updates:
        """Freeze what the rule gives now."""
        language = language_of(request)
        derivation, with_gold = _rule(rule)
        version = self.annotation.freeze(str(chosen), derivation, name=str(name or ""), with_gold=with_gold)
        digest = version.content_hash[7:19]
        message = say("annotate.frozen", language, name=version.name, count=version.preferences, hash=digest)
        fates = edits(self.annotation.edits(version.id), language)
        return {self.message: notice(message) + fates, **self.show(str(chosen), version.id, rule, request)}

    @requires(Access.OWNER)
    def exported(self, request: gr.Request, version: Any) -> Updates:
        """The files of a version, to be downloaded."""
        try:
            files = downloads(self.annotation, str(version), self.files.GRADIO_CACHE)
        except LabError as error:  # the files of an earlier export are not this version's
            return {self.files: gr.update(visible=False), self.told: error_notice(error, request)}
        return {self.files: gr.update(value=files, visible=True), self.told: ""}

    @requires(Access.OWNER)
    @words_errors("told")
    def pushed(self, request: gr.Request, version: Any, repository: Any, private: Any, token: Any) -> Updates:
        """Send a version to the Hub."""
        address = self.annotation.push(
            str(version), _typed(repository), private=bool(private), token=_typed(token) or None
        )
        return {self.told: notice(say("annotate.pushed", language_of(request), address=address))}

    def _trained(self, algorithm: str, tabs: gr.Tabs, form: TrainForm) -> Any:
        @requires(Access.OWNER)
        @words_errors(self.told)  # a version that was deleted or changed meanwhile: the tab stays
        def trained(request: gr.Request, sent: Any, version: Any) -> Updates:
            return {tabs: gr.Tabs(selected="train"), **form.on_version(algorithm, str(version), sent, request)}

        return trained

    # ---- what is shown

    def show(self, collection_id: str, version_id: str, rule: tuple[Any, ...], request: gr.Request) -> Updates:
        """Updates for ``everything``; without that collection, the newest."""
        there = self.annotation.collections()
        chosen = chosen_of(there, collection_id)
        frozen = self.annotation.versions(chosen.id) if chosen else []
        version = next((each for each in frozen if each.id == version_id), next(iter(frozen), None))
        names = told_apart({each.id: each.name for each in frozen})
        named = [(f"{names[each.id]} · {each.preferences}", each.id) for each in frozen]
        return {
            self.chosen: gr.update(choices=choices_of(there), value=chosen.id if chosen else None),
            self.counts: self._counts(chosen.id if chosen else "", rule, request),
            self.list: versions(frozen, language_of(request)),
            self.panel: gr.update(visible=version is not None),
            self.version: gr.update(choices=named, value=version.id if version else None),
            self.files: gr.update(value=None, visible=False),
        }

    def _counts(self, collection_id: str, rule: tuple[Any, ...], request: gr.Request) -> str:
        language = language_of(request)
        if not collection_id:
            return quiet(say("annotate.no_collections", language))
        try:
            derivation, with_gold = _rule(rule)
            return derived(self.annotation.derived(collection_id, derivation, with_gold=with_gold), language)
        except LabError as error:
            return error_notice(error, request)


def downloads(annotation: Annotation, version_id: str, cache: str) -> list[str]:
    """The files of a version's export, where the page serves files from: by content, so that a second export adds none."""
    with tempfile.TemporaryDirectory(prefix="lab-export-") as made:
        folder = annotation.export(version_id, Path(made) / "export")
        return [save_file_to_cache(path, cache) for path in sorted(folder.iterdir())]


def _typed(value: Any) -> str:
    """What stands in a field of text, which may be nothing."""
    return str(value or "").strip()


def _rule(values: tuple[Any, ...]) -> tuple[Derivation, bool]:
    """The rule as it stands in the form. Raises InputError where a number is out of its bounds."""
    votes, agreement, edits, adjudications, revealed, gold = values
    used = {"use_edits": bool(edits), "use_adjudications": bool(adjudications), "use_revealed": bool(revealed)}
    try:
        rule = Derivation(least_votes=votes, least_agreement=agreement, **used)
    except ValueError:
        raise InputError("derivation_rule", votes=str(votes)[:20], agreement=str(agreement)[:20]) from None
    return rule, bool(gold)
