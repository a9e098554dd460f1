"""``python -m lab backup TARGET``: the database, the runs and what was frozen, as of one moment, in one file or folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import explained, settings_of
from lab.commands.printing import print_json
from lab.store.backup import Copied, backup
from lab.words import say, size_text, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("target", metavar="TARGET", help=explained("backup.target"))
    parser.add_argument("--models", action="store_true", help=explained("backup.models"))


def run(arguments: argparse.Namespace) -> int:
    """0, or a LabError where it cannot be written."""
    target = Path(arguments.target).expanduser()
    show(arguments, "cli.backed_up", backup(settings_of(arguments).home, target, fetched=arguments.models))
    return 0


def show(arguments: argparse.Namespace, key: str, copied: Copied) -> None:
    """What was copied, in a sentence, and what was not."""
    if arguments.json:
        about = {"runs": copied.runs, "files": copied.files, "bytes": copied.bytes, "listed": list(copied.listed)}
        about |= {"uploads": copied.uploads}
        print_json({"path": str(copied.path), **about})
        return
    locale = system_locale()
    size = size_text(copied.bytes)
    print(say(key, locale, path=copied.path, runs=copied.runs, files=copied.files, size=size))
    if fetched := [name for name in copied.listed if name not in copied.uploads]:
        print(say("cli.backup_listed", locale, listed=", ".join(fetched)))
    if copied.uploads:
        print(say(f"{key}_without_uploads", locale, listed=", ".join(copied.uploads)))
