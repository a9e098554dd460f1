"""The updates of a load event, without what the page was built with."""

from __future__ import annotations

import gradio as gr

from lab.ui.as_built import only_changes


def test_what_says_as_much_as_the_component_is_left_out() -> None:
    with gr.Blocks():
        number, text = gr.Number(value=5, visible=False), gr.HTML("there")
        menu = gr.Dropdown(choices=["a", ("B", "b")], value="a")
    for component, update, change in (
        (number, gr.update(value=5, visible=False), gr.skip()),
        (number, gr.update(value=5, visible=True), gr.update(visible=True)),
        (text, "there", gr.skip()),
        (text, "not there", "not there"),
        (menu, gr.update(choices=[("a", "a"), ("B", "b")], value="b"), gr.update(value="b")),
        (menu, gr.update(choices=["a"]), gr.update(choices=["a"])),
        (number, gr.skip(), gr.skip()),
    ):
        assert only_changes({component: update}) == {component: change}


def test_what_only_looks_the_same_is_sent() -> None:
    """True is 1 to Python, and not to a page."""
    with gr.Blocks():
        number, nothing = gr.Number(value=1), gr.HTML()
    updates = {number: gr.update(value=True), nothing: ""}
    assert only_changes(updates) == updates
