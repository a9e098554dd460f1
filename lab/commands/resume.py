"""``python -m lab resume RUN``: go on with a stopped, failed or lost run in the foreground."""

from __future__ import annotations

import argparse

from lab.commands.arguments import explained, open_store
from lab.commands.progress_line import follow
from lab.runs.foreground import resume_in_foreground
from lab.runs.run_work import settle_gone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN."""
    parser.add_argument("run", metavar="RUN", help=explained("resume.run"))


def run(arguments: argparse.Namespace) -> int:
    """0 finished, 1 failed, 130 stopped."""
    store = open_store(arguments)
    settle_gone(store)
    return follow(store, arguments, lambda line: resume_in_foreground(arguments.run, store, line))
