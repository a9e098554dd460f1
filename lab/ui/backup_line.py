"""One line under the page's head where the lab is backed up to the Hub: what is saved here, what is backed up too, and since when."""

from __future__ import annotations

import html
import json
from pathlib import Path

import gradio as gr

WORDS = ("backup.all", "backup.some", "backup.none", "backup.failed")
SCRIPT = Path(__file__).with_name("backup_line.js").read_text("utf-8")


def draw(words: dict[str, dict[str, str]]) -> None:
    """Draw it where it is called; ``words`` are the page's, by language."""
    own = {locale: {name.partition(".")[2]: words[locale][name] for name in WORDS} for locale in words}
    gr.HTML(
        f'<p class="lab-backup" data-testid="backup" role="status" data-words="{html.escape(json.dumps(own, ensure_ascii=False))}"></p>',
        js_on_load=SCRIPT,
        elem_id="backup-line",
        padding=False,
    )
