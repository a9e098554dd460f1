"""The class as a Gradio component: the owner's page or a guest's, by who reads it; what it shows and does stands in the scripts.

It takes no value: everything comes from ``/api/class`` or ``/api/class/me``, anew when the page's event stream says that something has
changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from lab.ui.components.shared.assemble import Words, component
from lab.words.components import rule_words

SCRIPTS = ("marks.js", "board.js", "people.js", "questions.js", "owner.js", "guest.js", "view.js")


def classroom(*, presets: Words, **options: Any) -> gr.HTML:
    """``presets``: the titles of the presets that guests may start."""
    given = {"rules": rule_words(), "presets": presets}
    return component(Path(__file__).parent, "classroom", *SCRIPTS, given=given, **options)
