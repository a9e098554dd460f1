"""Play as a Gradio component; what it shows and does stands in the scripts beside it.

It reads and writes by the lab's own routes (``/api/play``), follows tokens by server-sent events, and keeps the conversation in the
browser. It has no value and fires nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import Words, component

SCRIPTS = ("conversation.js", "talk.js", "settings.js", "answers.js", "view.js")


def playground(*, rules: Words, **options: Any) -> gr.HTML:
    """``rules``: the labels of the rules that the lab has."""
    return component(Path(__file__).parent, "play", *SCRIPTS, given={"rules": rules}, displays_text=True, **options)
