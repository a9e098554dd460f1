"""The list of runs as a Gradio component; what it shows and does stands in the scripts beside it.

Its value is a JSON string, ``{"selected": id}`` or ``{}``. When a person selects a run it fires ``select`` with ``{"run": id}``:

    runs.select(on_select, outputs=…)      # def on_select(event: gr.EventData): event.run

Runs that are ticked are told by ``input`` with ``{"act": "differences" | "compare"}`` and by ``submit`` with ``{"act": "delete"}``, both
with ``{"runs": [ids]}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import component

SCRIPTS = ("sorting.js", "view.js")


def run_list(value: str = "{}", **options: Any) -> gr.HTML:
    """The runs, newest first. A change of the value asks the server again; so does coming back to the page."""
    return component(Path(__file__).parent, "run-list", *SCRIPTS, value=value, **options)
