"""The group inspector as a Gradio component; what it shows and does stands in the scripts beside it.

Its value is a JSON string, ``{"run": id}``, ``{"run": id, "step": 7}`` to open at a step, or ``{}``. Everything else it fetches from the run's own routes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.algorithms import ALGORITHMS
from lab.ui.components.shared.assemble import assemble

SCRIPTS = (
    *("threshold.js", "steps.js", "answer.js", "credit.js", "strip.js", "value_line.js", "tokens.js"),
    *("update.js", "loss_tokens.js", "cards.js", "controls.js", "group.js", "view.js"),
)


def group_inspector(
    value: str = "{}", *, rules: Mapping[str, Mapping[str, str]] | None = None, lang: str = "", **options: Any
) -> gr.HTML:
    """The inspector of one run's groups.

    ``rules`` holds the rules' labels, ``{"en": {name: label}, "zh": {…}}``; a rule without one is shown by its name. ``lang``
    overrides the browser's language. ``options`` go to ``gr.HTML``.
    """
    parts = assemble(Path(__file__).parent, "group-inspector", *SCRIPTS, displays_text=True)
    given = {
        "rules": json.dumps(rules or {}, ensure_ascii=False),
        "writes_groups": json.dumps([name for name, algorithm in ALGORITHMS.items() if algorithm.writes_groups]),
        "writes_pairs": json.dumps([name for name, algorithm in ALGORITHMS.items() if algorithm.writes_pairs]),
    }
    return gr.HTML(value, lang=lang, **given, **parts, **options)
