"""The command line, ``python -m lab``: the same doors as the page, without it. Each command is a file of ``lab/commands``.

Exit status: 0 done, 1 failed with a sentence on standard error, 2 wrong usage, 130 stopped with a resumable run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from lab import __version__
from lab.commands.arguments import add_home, add_json, explained
from lab.commands.parsing import CommandParser, speak
from lab.commands.printing import prepare
from lab.errors import LabError, exit_status
from lab.words import system_locale, word

COMMANDS = (
    "train", "runs", "groups", "take-in", "resume", "stop", "tour", "study", "report", "estimate", "score", "sample",
    "chat", "preflight", "agree", "models", "data", "preview", "out", "eject", "users", "export", "backup", "restore",
    "verify", "doctor",
)  # fmt: skip
"""One line registers a command: its name here, and ``lab/commands/<name>.py`` (an underscore for a dash)."""
WITHOUT_JSON = ("stop", "report")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, in the language of the terminal."""
    speak(system_locale())
    top = CommandParser(
        prog="python -m lab",
        description=explained("common.top"),
        epilog=explained("common.top_epilog"),
        allow_abbrev=True,
    )
    top.add_argument(
        "--version", action="version", version=f"Alignment Lab {__version__}", help=explained("common.version")
    )
    commands = top.add_subparsers(title=explained("common.commands"), metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"lab.commands.{name.replace('-', '_')}")
        about = explained(f"{name}.about")
        sub = commands.add_parser(
            name,
            help=about,
            description=explained("common.description", about=about[0].upper() + about[1:]),
            epilog=explained(f"{name}.examples"),
        )
        module.add_arguments(sub)
        add_home(sub)
        if name not in WITHOUT_JSON:
            add_json(sub)
        sub.set_defaults(do=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    prepare()
    options = parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except LabError as error:
        print(word(error, system_locale()), file=sys.stderr)
        return exit_status(error)
    except BrokenPipeError:  # `… | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
