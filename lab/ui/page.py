"""The page: title, tabs, theme and words, put together into one ``gr.Blocks``. What a tab does stands in ``tabs/``.

A tab is one file there and one line in ``build``; it stands in the bar once it works. Nothing here serves: the server is
handed the Blocks, and reads from ``page_options`` what Gradio takes when it mounts them.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from lab.annotation.pairs import usual_settings
from lab.runs.supervisor import Supervisor
from lab.settings import Settings
from lab.store.presets import PRESETS
from lab.store.runs import Store
from lab.ui import backup_line, header
from lab.ui.draft import SCRIPT as DRAFT
from lab.ui.glossary import SCRIPT as GLOSSARY
from lab.ui.gradio_shims import hide_progress, plotly_chunk, send_whole_updates
from lab.ui.judge_page import inline_json
from lab.ui.presets import Presets
from lab.ui.tabs.annotate.tab import AnnotateTab
from lab.ui.tabs.classroom.tab import ClassTab
from lab.ui.tabs.compare.tab import STYLE as COMPARE_STYLE
from lab.ui.tabs.compare.tab import CompareTab
from lab.ui.tabs.groups.tab import GroupsTab
from lab.ui.tabs.learn.tab import LearnTab
from lab.ui.tabs.play.tab import PlayTab
from lab.ui.tabs.rules.tab import RulesTab
from lab.ui.tabs.train.tab import TrainTab
from lab.ui.theme import REMEMBER_THEME, SHEET, theme
from lab.words import LOCALES, form, table
from lab.words.components import error_words

ON_THE_PAGE = (
    "annotate", "backup.", "agree.", "page.", "train.", "upload.", "groups.", "compare.", "section.", "algorithm.",
    "choice.",
)  # fmt: skip
"""The tables whose words the browser needs; errors and sentences are worded by the server."""
LANGUAGE, OPENING_TAB, CHANGES, PRESENCE = (
    Path(__file__).with_name(name).read_text("utf-8")
    for name in ("language.js", "opening_tab.js", "changes.js", "presence.js")
)


def build(settings: Settings, store: Store, supervisor: Supervisor) -> gr.Blocks:
    """The Blocks of the whole page."""
    presets = Presets(PRESETS)
    words = translations()
    i18n = gr.I18n(**words)
    with gr.Blocks(title=header.TITLE, analytics_enabled=False, fill_width=True) as blocks:
        header.draw(words)
        if settings.backup is not None:
            backup_line.draw(words)
        with gr.Tabs(elem_id="tabs", selected="train") as tabs:
            with gr.Tab(i18n("page.learn"), id="learn"):
                learn = LearnTab()
            with gr.Tab(i18n("page.annotate"), id="annotate"):
                annotate = AnnotateTab(store, supervisor, presets, i18n, usual_settings(class_comes=settings.guests))
            with gr.Tab(i18n("page.rules"), id="rules"):
                rules = RulesTab(
                    presets, trusting=not settings.sign_in, classroom=settings.classroom
                )  # a page for all cannot list what is the owner's
            with gr.Tab(i18n("page.train"), id="train"):
                train = TrainTab(store, supervisor, presets, i18n)
            with gr.Tab(i18n("page.groups"), id="groups") as groups_tab:
                groups = GroupsTab(store, i18n)
            with gr.Tab(i18n("page.compare"), id="compare"):
                compare = CompareTab(store, supervisor, presets, i18n)
            with gr.Tab(i18n("page.play"), id="play"):
                PlayTab()
            if settings.guests:
                with gr.Tab(i18n("page.class"), id="class"):
                    ClassTab()
        train.form.draft.render()
        learn.wire(tabs)
        annotate.wire(blocks, tabs, train)
        rules.wire(tabs, train.form)
        train.wire(blocks, tabs, groups)
        groups.wire(blocks, tabs, groups_tab)
        compare.wire(tabs, train.runs.list)
    hide_progress(blocks)
    send_whole_updates()
    scripts = [
        error_sentences(),
        f"window.labPlotly = {json.dumps(plotly_chunk())};\n",
        OPENING_TAB,
        CHANGES,
        DRAFT,
        *([PRESENCE] if settings.guests else []),
    ]
    blocks.first_script = script(LANGUAGE)
    blocks.page_options = {
        "theme": theme(),
        "css": SHEET.read_text("utf-8") + COMPARE_STYLE,
        "head": REMEMBER_THEME + "".join(map(script, scripts)) + GLOSSARY,
        "i18n": i18n,
    }
    return blocks


def error_sentences() -> str:
    """The script with the sentences of errors, by language and key: once for all components of the page (``words.js``)."""
    return f"window.labErrors = {inline_json(error_words())};\n"


def script(text: str) -> str:
    """A script of ours as a part of the page's head."""
    return f"<script>\n{text}</script>\n"


def translations() -> dict[str, dict[str, str]]:
    """What ``gr.I18n`` knows, by language: the page's own words, the recipes' fields."""
    words: dict[str, dict[str, str]] = {}
    for locale in LOCALES:
        own = {key: text for key, text in table(locale).items() if key.startswith(ON_THE_PAGE)}
        words[locale] = {**own, **form.translations()[locale]}
    return words
