"""The group inspector as a Gradio component; what it shows and does stands in the scripts beside it.

Its value is a JSON string, ``{"run": id}``, ``{"run": id, "step": 7}`` to open at a step, or ``{}``. Everything else it fetches from the run's own routes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.algorithms import ALGORITHMS
from lab.ui.components.shared.assemble import Words, component

SCRIPTS = (
    *("threshold.js", "steps.js", "answer.js", "credit.js", "strip.js", "value_line.js", "tokens.js"),
    *("update.js", "loss_tokens.js", "cards.js", "controls.js", "group.js", "view.js"),
)


def group_inspector(value: str = "{}", *, rules: Words | None = None, **options: Any) -> gr.HTML:
    """The inspector of one run's groups. ``rules``: the rules' labels; a rule without one is shown by its name."""
    given = {
        "rules": rules,
        "writes_groups": [name for name, each in ALGORITHMS.items() if each.writes_groups],
        "writes_pairs": [name for name, each in ALGORITHMS.items() if each.writes_pairs],
    }
    place = Path(__file__).parent
    return component(place, "group-inspector", *SCRIPTS, value=value, given=given, displays_text=True, **options)
