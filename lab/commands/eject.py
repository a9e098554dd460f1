"""``python -m lab eject RUN DIR``: a run as a script of one file that needs no lab, with its data, rules and pinned requirements."""

from __future__ import annotations

import argparse

from lab.commands.arguments import explained, open_store, run_called
from lab.commands.job_line import do, status
from lab.commands.printing import print_json
from lab.core.jobs import Kind, parse_job
from lab.runs.leaving import OUT, check_target, put, run_named
from lab.store.jobs import JobStore
from lab.store.runs import RunState
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where to."""
    parser.add_argument("run", metavar="RUN", help=explained("eject.run"))
    parser.add_argument("folder", metavar="DIR", help=explained("eject.folder"))


def run(arguments: argparse.Namespace) -> int:
    """0 written, 1 failed, 130 cancelled by Ctrl-C."""
    store = open_store(arguments)
    spec = parse_job(Kind.EJECT, {"run": run_named(run_called(store, arguments.run))})
    target = check_target(arguments.folder)
    job = do(spec, store)
    if job.state is not RunState.FINISHED:
        return status(job)
    folder = put(JobStore(store.home).folder(job.id).path / OUT, target)
    if arguments.json:
        print_json({"folder": str(folder), "files": (job.result or {}).get("files")})
        return 0
    print(say("cli.ejected", system_locale(), folder=folder))
    return 0
