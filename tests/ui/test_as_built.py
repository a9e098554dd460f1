"""The updates of a load event, without what the page was built with."""

from __future__ import annotations

import gradio as gr

from lab.ui.as_built import only_changes


def test_what_says_as_much_as_the_component_is_left_out() -> None:
    with gr.Blocks():
        number, text = gr.Number(value=5, visible=False), gr.HTML("there")
        menu = gr.Dropdown(choices=["a", ("B", "b")], value="a")
    outputs = [number, number, text, text, menu, menu, number]
    updates = [
        gr.update(value=5, visible=False),
        gr.update(value=5, visible=True),
        "there",
        "not there",
        gr.update(choices=[("a", "a"), ("B", "b")], value="b"),
        gr.update(choices=["a"]),
        gr.skip(),
    ]
    assert only_changes(outputs, updates) == [
        gr.skip(),
        gr.update(visible=True),
        gr.skip(),
        "not there",
        gr.update(value="b"),
        gr.update(choices=["a"]),
        gr.skip(),
    ]


def test_what_only_looks_the_same_is_sent() -> None:
    """True is 1 to Python, and not to a page."""
    with gr.Blocks():
        number, nothing = gr.Number(value=1), gr.HTML()
    assert only_changes([number, nothing], [gr.update(value=True), ""]) == [gr.update(value=True), ""]
