"""Choosers whose choices the server changes while somebody may be choosing.

A value may have been sent while the answer with other choices was on its way. Gradio answers such a value with an error; here the handler
gets it as it was sent, and passes over what is no choice any more.
"""

from __future__ import annotations

from typing import Any

import gradio as gr


class LateRadio(gr.Radio):
    """One of several choices."""

    is_template = True  # the page draws it as Gradio's own

    def preprocess(self, payload: Any) -> Any:
        """The value as it was sent."""
        return payload


class LateCheckboxGroup(gr.CheckboxGroup):
    """Any of several choices."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """The values as they were sent."""
        return payload
