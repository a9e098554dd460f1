"""Play as a Gradio component; what it shows and does stands in the scripts beside it.

It reads and writes by the lab's own routes (``/api/play``), follows tokens by server-sent events, and keeps the conversation in the
browser. It has no value and fires nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import assemble

SCRIPTS = ("conversation.js", "talk.js", "settings.js", "answers.js", "view.js")

Words = Mapping[str, Mapping[str, str]]


def playground(*, rules: Words | None = None, errors: Words | None = None, lang: str = "", **options: Any) -> gr.HTML:
    """``rules`` are the labels of the rules that the lab has, ``errors`` the sentences of errors, both by language; ``lang`` overrides the
    browser's language. ``options`` go to ``gr.HTML``."""
    parts = assemble(Path(__file__).parent, "play", *SCRIPTS, displays_text=True)
    words = {
        name: json.dumps(value or {}, ensure_ascii=False) for name, value in (("rules", rules), ("errors", errors))
    }
    return gr.HTML("{}", lang=lang, **words, **parts, **options)
