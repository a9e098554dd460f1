"""Waiting on the page: an event that fires when jobs, runs or an answer of another process have changed, and how far a job is.

The event replaces a timer. It sends no request of its own: the page's one event stream (``changes.js``) triggers it.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from lab.runs.jobs import Summary
from lab.store.runs import RunState
from lab.ui.handlers import LIGHT, Updates
from lab.ui.notice import notice
from lab.words import say

WAITS = """
let end = () => {};
const fired = {};
const look = () => {
  end();
  end = window.labChanges.wait(JSON.parse(props.value || "{}"), changed, fired);
};
const changed = () => {
  trigger("select", {});
  look(); // the answer may leave the value as it is, which `watch` does not tell
};
watch("value", look);
look();
"""


class Awaited:
    """Drawn where it is made; it shows nothing. ``component`` is an output, ``changed`` the event."""

    def __init__(self) -> None:
        self.component = gr.HTML("{}", html_template="<i></i>", js_on_load=WAITS)

    def changed(
        self, look: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any], js: str | None = None
    ) -> None:
        """Call ``look`` whenever a mark of ``waits`` is no longer true, once for each change; ``js`` prepares the inputs in the browser.
        A change that comes while ``look`` is on its way is looked at after it: with Gradio's own mode it would be dropped, and the
        wait would never end."""
        self.component.select(look, list(inputs), list(outputs), js=js, trigger_mode="always_last", **LIGHT)

    @staticmethod
    def waits(marks: Mapping[str, str]) -> str:
        """An update for ``component``: the marks that are true now (``lab/runs/changes.py``). No marks end the wait."""
        return json.dumps(dict(marks), sort_keys=True)


def progress(job: Summary, language: str, words: str) -> str:
    """How far a job is: a bar once there is something to count, and a sentence; ``words`` has the holes stage, done and total."""
    if job["state"] == RunState.QUEUED:
        return notice(say("agree.waits", language), "quiet")
    stage = say(f"preflight.stage_{job['stage']}", language)
    sentence = say(words, language, stage=stage, done=job["done"], total=job["total"] or "…")
    bar = (
        f'<progress max="{job["total"]}" value="{job["done"]}"></progress>' if job["total"] else "<progress></progress>"
    )
    return f'<div class="agree-progress" role="status">{bar}<span>{html.escape(sentence)}</span></div>'


def failure(job: Summary, language: str) -> str:
    """Why a job has no result."""
    error = job["error"] or {"key": "job_lost", "params": {}}
    return notice(say(f"errors.{error['key']}", language, **error["params"]), "problem")
