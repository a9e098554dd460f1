"""The rule bench as a Gradio component; what it shows and does stands in the scripts beside it.

It reads and writes by the lab's own routes (``/api/rules``, ``/api/runs``, ``/api/jobs``) and keeps what is typed in the browser. Where a
person wants to train with a saved rule set, it fires ``select`` with ``{"name", "version"}``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from lab.rules import RULES
from lab.rules.sources import source_of
from lab.ui.components.shared.assemble import Words, component

SCRIPTS = (
    *("jobs.js", "highlight.js", "editor.js", "saved_drafts.js", "draft.js", "rules.js", "table.js"),
    *("samples.js", "sets.js", "preflight.js", "whatif.js", "view.js"),
)
EXAMPLES = Path(__file__).parent / "examples.toml"


def examples() -> dict[str, str]:
    """Sources to begin from: ``blank``, and a simpler rule beside each ready-made one that has no source to show, by its name."""
    return {name: str(source).rstrip() for name, source in tomllib.loads(EXAMPLES.read_text(encoding="utf-8")).items()}


def rule_bench(
    *,
    rules: Words,
    abouts: Words,
    worked: Mapping[str, Any],
    recipes: Mapping[str, Any],
    usual_preset: str,
    classroom: bool,
    preflight: Words,
    **options: Any,
) -> gr.HTML:
    """The bench.

    ``rules`` and ``abouts`` hold labels and explanations of the rules that the lab has; ``worked`` the two examples that it offers, ``equation``
    and ``code``, each ``{"rules": [name…], "groups": [{"prompt", "answer", "completions": [text…]}…]}``; ``recipes`` the presets that take
    rules, ``{name: {"title": {"en", "zh"}, "recipe"}}``; ``usual_preset`` is the one chosen at first; ``classroom``: a class is open, and rule
    sets may be submitted to its leaderboard; ``preflight`` the sentences of verdicts.
    """
    given = {
        "rules": rules,
        "abouts": abouts,
        "worked": worked,
        "recipes": recipes,
        "preflight": preflight,
        "examples": examples(),
        "sources": {name: source for name in RULES if (source := source_of(name)) is not None},
    }
    options |= {"usual_preset": usual_preset, "classroom": "open" if classroom else ""}
    return component(Path(__file__).parent, "rule-bench", *SCRIPTS, given=given, **options)
