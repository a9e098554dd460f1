"""``python -m lab restore BACKUP``: a home made of a backup. It never writes into a home that holds anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import explained, settings_of
from lab.commands.backup import show
from lab.store.backup import restore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where from."""
    parser.add_argument("source", metavar="BACKUP", help=explained("restore.source"))


def run(arguments: argparse.Namespace) -> int:
    """0, or a LabError; then nothing was changed."""
    show(arguments, "cli.restored", restore(Path(arguments.source).expanduser(), settings_of(arguments).home))
    return 0
