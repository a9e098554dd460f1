"""``python -m lab eject RUN DIR``: a run as a script of one file that needs no lab, with its data, rules and pinned requirements."""

from __future__ import annotations

import argparse

from lab.commands.arguments import add_home, add_json, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import print_json
from lab.core.jobs import Kind, parse_job
from lab.runs.leaving import OUT, check_target, put, run_named
from lab.store.jobs import JobStore
from lab.store.runs import RunState
from lab.words import say, system_locale

HELP = "write a run as a training script that needs no lab, with its data and rules"
EXAMPLES = """\
examples:
  python -m lab eject 20261122-154501-k3f9 my-training
  cd my-training && pip install -r requirements.txt && python train.py

DIR then holds train.py (trl and peft), the rows that the run trained on, its rules as reward functions of trl, the start model where it
is not on the Hub, pinned requirements and a README. On a CPU the script gives the run's losses, to float precision.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where to."""
    parser.add_argument("run", metavar="RUN", help="the run's id")
    parser.add_argument("folder", metavar="DIR", help="a folder that is empty or not there")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 written, 1 failed, 130 cancelled by Ctrl-C."""
    spec = parse_job(Kind.EJECT, {"run": run_named(arguments.run)})
    target = check_target(arguments.folder)
    store = open_store(arguments)
    job = do(spec, store)
    if job.state is not RunState.FINISHED:
        return status(job)
    folder = put(JobStore(store.home).folder(job.id).path / OUT, target)
    if arguments.json:
        print_json({"folder": str(folder), "files": (job.result or {}).get("files")})
        return 0
    print(say("cli.ejected", system_locale(), folder=folder))
    return 0
