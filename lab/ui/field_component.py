"""The Gradio component that enters a field of a recipe, by the field's kind. Which fields there are stands in ``form.py``."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import gradio as gr

from lab.words.form import CHOOSERS, FormField


def component(field: FormField, value: Any, i18n: gr.I18n, *, visible: bool = True) -> gr.components.Component:
    """The component that enters a field."""
    common: dict[str, Any] = {
        "label": i18n(f"{field.key}.label"),
        "info": i18n(f"{field.key}.help"),
        "elem_id": f"{field.algorithm}-{field.path.replace('.', '-')}",
        "interactive": True,
        "min_width": 150,
        "visible": visible,
    }
    if field.kind is bool:
        return gr.Checkbox(value=value, **common)
    if isinstance(field.kind, type) and issubclass(field.kind, StrEnum):
        choices = [(i18n(f"choice.{option}"), str(option)) for option in field.kind]
        return gr.Dropdown(choices=choices, value=str(value), filterable=False, **common)
    if field.kind in (int, float):
        # Without Gradio's own minimum and maximum: it would answer them with a pop-up, in English, and drop what was typed.
        # The recipe checks its bounds itself, and the page says them in a sentence.
        return gr.Number(value=value, step=_step(field, value), **common)
    if field.path in CHOOSERS:
        return gr.Dropdown(choices=[value], value=value, allow_custom_value=True, **common)
    return gr.Textbox(value=value, lines=1, max_lines=1, max_length=field.bound("max_length"), **common)


def _step(field: FormField, value: float) -> float:
    """What an arrow key adds: 1 to a count, a tenth of its size (a power of ten) to anything finer."""
    if field.kind is int:
        return 1
    return float(f"{value:e}".split("e")[1].join(("1e", ""))) / 10 if value else 0.01
