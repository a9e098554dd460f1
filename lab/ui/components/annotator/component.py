"""The annotator as a Gradio component; what it shows and does stands in the scripts beside it.

Its value is a JSON string: ``{"owner": true}`` where the reader may add pairs, ``"collection": id`` to open one; pairs and judgements
go by its own routes (``docs/routes.md``), never through Gradio's queue. When there is nothing to judge and the reader may add
pairs, a button fires ``select`` with ``{"to": "collections"}``. ``parts`` is the same without Gradio, for the page that holds
nothing else (``lab/ui/judge_page.py``): its value also has ``"alone": true``, and ``"who": id`` since no Gradio tells it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import assemble

SCRIPTS = (
    "scheduling.js", "keys.js", "outbox.js", "drafts.js", "pair_queue.js", "presence.js", "difference.js", "text_blocks.js", "cards.js",
    "looks.js", "swipe.js", "editor.js", "controls.js", "status.js", "top_bar.js", "help.js", "view.js",
)  # fmt: skip


def parts() -> dict[str, Any]:
    """Template, style, script and words, as ``gr.HTML`` takes them."""
    return assemble(Path(__file__).parent, "annotator", *SCRIPTS, displays_text=True)


def annotator(value: str = "{}", *, lang: str = "", **options: Any) -> gr.HTML:
    """The pairs of a collection, one at a time, for whoever is signed in."""
    return gr.HTML(value, lang=lang, **parts(), **options)
