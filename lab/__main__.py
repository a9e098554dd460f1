"""The command line, ``python -m lab``: the same doors as the page, without it. Each command is a file of ``lab/commands``.

Exit status: 0 done, 1 failed with a sentence on standard error, 2 wrong usage, 130 stopped with a resumable run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from lab import __version__
from lab.errors import LabError, exit_status
from lab.words import system_locale, word

COMMANDS = (
    "train",
    "runs",
    "groups",
    "take-in",
    "resume",
    "stop",
    "tour",
    "study",
    "report",
    "estimate",
    "score",
    "sample",
    "chat",
    "preflight",
    "agree",
    "models",
    "data",
    "preview",
    "out",
    "eject",
    "users",
    "export",
    "backup",
    "restore",
    "verify",
    "doctor",
)
"""One line registers a command: its name here, and ``lab/commands/<name>.py`` (an underscore for a dash)."""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m lab",
        description="The Alignment Lab on the command line.",
        epilog="`python -m lab COMMAND --help` tells more of each. The page is started by `python app.py`.",
    )
    top.add_argument("--version", action="version", version=f"Alignment Lab {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = import_module(f"lab.commands.{name.replace('-', '_')}")
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(sub)
        sub.set_defaults(do=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
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
