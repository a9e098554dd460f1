"""How far a job is, as the page shows it while it waits."""

from __future__ import annotations

import html

from lab.runs.jobs import Summary
from lab.store.runs import RunState
from lab.ui.notice import notice
from lab.words import say


def progress(job: Summary, language: str, words: str) -> str:
    """A bar once there is something to count, and what is going on; ``words`` has the holes stage, done and total."""
    if job["state"] == RunState.QUEUED:
        return quiet(say("agree.waits", language))
    stage = say(f"preflight.stage_{job['stage']}", language)
    told = say(words, language, stage=stage, done=job["done"], total=job["total"] or "…")
    bar = (
        f'<progress max="{job["total"]}" value="{job["done"]}"></progress>' if job["total"] else "<progress></progress>"
    )
    return f'<div class="agree-progress" role="status">{bar}<span>{html.escape(told)}</span></div>'


def failure(job: Summary, language: str) -> str:
    """Why a job has no result."""
    error = job["error"] or {"key": "job_lost", "params": {}}
    return notice(say(f"errors.{error['key']}", language, **error["params"]), "problem")


def quiet(sentence: str) -> str:
    """A sentence that asks for no attention."""
    return f'<p class="quiet" role="status">{html.escape(sentence)}</p>'
