"""The live curves as a Gradio component; what they show and do stands in the scripts beside it.

Their value is a JSON string, ``{"run": id}`` or ``{}``; a change of anything else in it reads the run afresh.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.algorithms import ALGORITHMS
from lab.ui.components.shared.assemble import Words, component

SCRIPTS = ("series.js", "chart.js", "status.js", "step_time.js", "warnings.js", "log_words.js", "view.js")


def live_curves(
    value: str = "{}",
    *,
    notes: Words | None = None,
    rules: Words | None = None,
    **options: Any,
) -> gr.HTML:
    """Status, curves and log of one run. ``notes``: their sentences, with ``{param}`` holes; ``rules``: the rules' labels."""
    charts = {name: each.charts for name, each in ALGORITHMS.items()}
    given = {"charts": charts, "notes": notes, "rules": rules}
    return component(Path(__file__).parent, "live-curves", *SCRIPTS, value=value, given=given, **options)
