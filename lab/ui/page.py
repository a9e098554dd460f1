"""The page: title, tabs, theme and words, put together into one ``gr.Blocks``. What a tab does stands in ``tabs/``.

A tab is one file there and one line in ``build``; it stands in the bar once it works. Nothing here serves: the server is
handed the Blocks, and reads from ``page_options`` what Gradio takes when it mounts them.
"""

from __future__ import annotations

import html

import gradio as gr

from lab.runs.supervisor import Supervisor
from lab.settings import Settings
from lab.store.presets import PRESETS
from lab.store.runs import Store
from lab.ui import form
from lab.ui.presets import Presets
from lab.ui.tabs.groups import GroupsTab
from lab.ui.tabs.train import TrainTab
from lab.ui.text import LOCALES, table
from lab.ui.theme import REMEMBER_THEME, SHEET, theme

TITLE = "Alignment Lab"
ON_THE_PAGE = ("page.", "train.", "groups.", "section.", "algorithm.", "choice.")
"""The tables whose words the browser needs; errors and sentences are worded by the server."""

MARK = """<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><g fill="none" stroke="currentColor"
stroke-width="2" stroke-linecap="round"><path d="M3 20h18"/><path d="M5 15h2M10.5 11h2M16 6h3"/></g>
<path d="M3 9.5h18" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.5 3"/></svg>"""

TOGGLE_SCRIPT = """
element.querySelector("button").addEventListener("click", () => {
  const dark = !document.body.classList.contains("dark");
  localStorage.setItem("lab-theme", dark ? "dark" : "light");
  document.body.classList.toggle("dark", dark);
});
"""


def build(settings: Settings, store: Store, supervisor: Supervisor) -> gr.Blocks:
    """The Blocks of the whole page."""
    presets = Presets(PRESETS)
    words = translations(presets)
    i18n = gr.I18n(**words)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        _header(words)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(i18n("page.train"), id="train"):
                train = TrainTab(store, supervisor, presets, i18n)
            with gr.Tab(i18n("page.groups"), id="groups") as groups_tab:
                groups = GroupsTab(store, i18n)
        train.wire(blocks, tabs, groups)
        groups.wire(blocks, tabs, groups_tab)
    blocks.page_options = {
        "theme": theme(),
        "css": SHEET.read_text("utf-8"),
        "head": REMEMBER_THEME,
        "i18n": i18n,
    }
    return blocks


def translations(presets: Presets) -> dict[str, dict[str, str]]:
    """What ``gr.I18n`` knows, by language: the page's own words, the recipes' fields, the presets."""
    words: dict[str, dict[str, str]] = {}
    for locale in LOCALES:
        own = {key: text for key, text in table(locale).items() if key.startswith(ON_THE_PAGE)}
        words[locale] = {**own, **form.translations()[locale], **presets.translations(locale)}
    return words


def _header(words: dict[str, dict[str, str]]) -> None:
    """Name and theme switch; the switch's name stands in both languages, since only text is translated."""
    label = html.escape(" / ".join(words[locale]["page.theme"] for locale in words))
    gr.HTML(
        f'<div class="lab-head">{MARK}<h1>{TITLE}</h1>'
        f'<button type="button" class="lab-theme" aria-label="{label}" title="{label}">'
        '<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><circle cx="12" cy="12" r="8" fill="none" '
        'stroke="currentColor" stroke-width="2"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/></svg></button></div>',
        js_on_load=TOGGLE_SCRIPT,
        elem_id="head",
    )
