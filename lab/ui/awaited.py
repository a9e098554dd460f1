"""An event of a page that fires when something it waits for has changed: jobs, runs, or what this app has asked of a process.

It stands where a timer would, and asks for nothing by itself: the page's one event stream (``changes.js``) tells it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import gradio as gr

WAITS = """
let end = () => {};
const look = () => {
  end();
  end = window.labChanges.wait(JSON.parse(props.value || "{}"), () => trigger("select", {}));
};
watch("value", look);
look();
"""


class Awaited:
    """Drawn where it is made; it shows nothing. ``component`` is an output, ``changed`` the event."""

    def __init__(self) -> None:
        self.component = gr.HTML("{}", html_template="<i></i>", js_on_load=WAITS)

    @property
    def changed(self) -> gr.events.EventListenerCallable:
        """Fires once after ``waits`` for each of its updates, when a mark is no longer true."""
        return self.component.select

    tick = changed
    """As a timer calls it."""

    @staticmethod
    def waits(marks: Mapping[str, str]) -> str:
        """An update for ``component``: these marks are true now (``lab/runs/changes.py``); none ends the wait."""
        return json.dumps(dict(marks), sort_keys=True)
