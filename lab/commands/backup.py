"""``python -m lab backup TARGET``: the database, the runs and what was frozen, as of one moment, in one file or folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import add_home, add_json, settings_of
from lab.commands.printing import print_json
from lab.store.backup import Copied, backup
from lab.words import say, size_text, system_locale

HELP = "write a backup of the lab's home, while it is in use if need be"
EXAMPLES = """\
examples:
  python -m lab backup lab-monday.tar          one file
  python -m lab backup lab-monday              a folder
  python -m lab backup lab.tar --models        fetched models and data too, which are else only listed
  python -m lab verify lab-monday.tar          is it whole?
  python -m lab restore lab-monday.tar --home DIR
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("target", metavar="TARGET", help="a new file whose name ends in .tar, or a new folder")
    parser.add_argument("--models", action="store_true", help="copy fetched models and data too")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0, or a LabError where it cannot be written."""
    target = Path(arguments.target).expanduser()
    show(arguments, "cli.backed_up", backup(settings_of(arguments).home, target, fetched=arguments.models))
    return 0


def show(arguments: argparse.Namespace, key: str, copied: Copied) -> None:
    """What was copied, in a sentence, and what was not."""
    if arguments.json:
        about = {"runs": copied.runs, "files": copied.files, "bytes": copied.bytes, "listed": list(copied.listed)}
        print_json({"path": str(copied.path), **about})
        return
    locale = system_locale()
    size = size_text(copied.bytes)
    print(say(key, locale, path=copied.path, runs=copied.runs, files=copied.files, size=size))
    if copied.listed:
        print(say("cli.backup_listed", locale, listed=", ".join(copied.listed)))
