"""``python -m lab verify [BACKUP]``: is the home whole, or a backup of it? Reads only."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from lab.commands.arguments import add_home, add_json, settings_of
from lab.commands.printing import FAILED, print_json, print_table
from lab.store.verify import verify_backup, verify_home
from lab.words import say, system_locale

HELP = "check that the database and every run's folder are whole, or that a backup is"
EXAMPLES = """\
examples:
  python -m lab verify                   this home
  python -m lab verify lab-monday.tar    a backup: each file by its hash
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to check."""
    parser.add_argument("backup", nargs="?", metavar="BACKUP", help="a backup; without one, the home is checked")
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 where all is whole, else 1."""
    chosen = arguments.backup
    findings = verify_backup(Path(chosen).expanduser()) if chosen else verify_home(settings_of(arguments).home)
    whole, locale = all(finding.ok for finding in findings), system_locale()
    if arguments.json:
        print_json({"whole": whole, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [
            ["✓" if finding.ok else "✕", finding.what, say(f"verify.{finding.key}", locale, **finding.params)]
            for finding in findings
        ]
        print_table(["", "what", "found"], rows)
    return 0 if whole else FAILED
