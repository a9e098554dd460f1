"""What ``sample`` and ``preflight`` print while their job goes on, and how they end."""

from __future__ import annotations

import sys
from typing import Any

from lab.commands.printing import FAILED, STOPPED, complain
from lab.core.jobs import Spec
from lab.runs.foreground import work_in_foreground
from lab.runs.jobs import Summary
from lab.store.jobs import Job
from lab.store.runs import RunState, Store
from lab.words import say, system_locale, word


def do(spec: Spec, store: Store) -> Job:
    """Do a job here and now, with a line of progress on standard error where that is a terminal. Raises LabError before the start."""
    locale, terminal = system_locale(), sys.stderr.isatty()

    def show(now: Summary) -> None:
        pace = (
            f"  {say('progress.pace', locale, pace=round(now['tokens_per_second']))}"
            if now["tokens_per_second"]
            else ""
        )
        stage = (
            say(f"preflight.stage_{now['stage']}", locale) if now["stage"] else say(f"states.{now['state']}", locale)
        )
        print(f"\r\x1b[2K{stage}  {now['done']}/{now['total']}{pace}", end="", file=sys.stderr, flush=True)

    try:
        return work_in_foreground(spec, store, show if terminal else None)
    finally:
        if terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def status(job: Job) -> int:
    """The exit status of an ended job; what went wrong is said on standard error."""
    if job.state is RunState.FINISHED:
        return 0
    if job.state is RunState.STOPPED:
        return STOPPED
    error: dict[str, Any] = job.error or {"key": "job_lost", "params": {}}
    complain(word(error, system_locale()))
    return FAILED
