"""``python -m lab stop RUN``: stop a run at the end of its step, or at once."""

from __future__ import annotations

import argparse

from lab.commands.arguments import explained, open_store
from lab.runs.launcher import LocalLauncher
from lab.runs.run_work import RunWork, run_identity, settle_gone, stop
from lab.runs.work import Watched
from lab.store.runs import Run, RunState, Store
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN, and how."""
    parser.add_argument("run", metavar="RUN", help=explained("stop.run"))
    parser.add_argument("--now", action="store_true", help=explained("stop.now"))


def run(arguments: argparse.Namespace) -> int:
    """0, or a StateError where there is nothing to stop."""
    store = open_store(arguments)
    settle_gone(store)
    stop(store, arguments.run, now=arguments.now)
    stopped, locale = store.run(arguments.run), system_locale()
    if stopped.state is not RunState.RUNNING:
        print(say("cli.stop_cancelled", locale))
    elif arguments.now:
        _end(store, stopped)
        print(say("cli.stop_now_asked", locale))
    else:
        step = (store.folder(stopped.id).stop_request() or {}).get("step")
        print(say("cli.stop_asked_soon" if step is None else "cli.stop_asked", locale, step=step))
    return 0


def _end(store: Store, run: Run) -> None:
    """See it through from here too: the app that started the worker may be gone."""
    identity = run_identity(run)
    if identity is None:
        return
    Watched(RunWork(store, run), LocalLauncher().attach(identity)).wait()
