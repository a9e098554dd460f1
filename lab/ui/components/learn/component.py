"""The Learn tab's eight steps as a Gradio component; what they show and do stands in the scripts beside it.

Its value is not used. "Now do it for real" fires ``select`` with ``{"tab": id}``; a form to be filled is filled in the browser (``draft.js``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import Words, component

FOLDER = Path(__file__).parent
SCRIPTS = (
    *("../group_inspector/threshold.js", "arithmetic.js", "formula.js", "parts.js", "clip_plot.js"),
    *("reward.js", "sft.js", "preference.js", "ppo.js", "dpo.js"),
    *("group_state.js", "group_pages.js", "group_loss.js", "group_step.js"),
    *("costs.js", "closing.js", "steps.js", "view.js"),
)


def learn(*, rules: Words, claims: Words, **options: Any) -> gr.HTML:
    """The eight steps. ``rules``: the rules' labels by language; ``claims``: the course's tables as Compare words them, by language."""
    given = {"rules": rules, "claims": claims}
    options["recorded"] = (FOLDER / "recorded.json").read_text("utf-8")
    return component(FOLDER, "learn", *SCRIPTS, given=given, **options)
