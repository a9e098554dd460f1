"""The live curves as a Gradio component; what they show and do stands in the scripts beside it.

Their value is a JSON string, ``{"run": id}`` or ``{}``; a change of anything else in it reads the run afresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.core.algorithms import ALGORITHMS
from lab.ui.components.shared.assemble import assemble

SCRIPTS = ("series.js", "chart.js", "status.js", "step_time.js", "warnings.js", "log_words.js", "view.js")

Words = Mapping[str, Mapping[str, str]]


def live_curves(
    value: str = "{}",
    *,
    errors: Words | None = None,
    notes: Words | None = None,
    rules: Words | None = None,
    lang: str = "",
    **options: Any,
) -> gr.HTML:
    """Status, curves and log of one run.

    ``errors`` and ``notes`` hold the sentences of errors and notes with ``{param}`` holes, ``rules`` the rules' labels, each ``{"en": {…}, "zh":
    {…}}``. ``lang`` overrides the browser's language. ``options`` go to ``gr.HTML``.
    """
    parts = assemble(Path(__file__).parent, "live-curves", *SCRIPTS)
    given = {
        "charts": json.dumps({name: algorithm.charts for name, algorithm in ALGORITHMS.items()}),
        "errors": json.dumps(errors or {}, ensure_ascii=False),
        "notes": json.dumps(notes or {}, ensure_ascii=False),
        "rules": json.dumps(rules or {}, ensure_ascii=False),
    }
    return gr.HTML(value, lang=lang, **given, **parts, **options)
