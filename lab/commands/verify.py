"""``python -m lab verify [BACKUP]``: is the home whole, or a backup of it? Reads only."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from lab.commands.arguments import explained, heads, settings_of
from lab.commands.printing import FAILED, print_json, print_table
from lab.store.verify import verify_backup, verify_home
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to check."""
    parser.add_argument("backup", nargs="?", metavar="BACKUP", help=explained("verify.backup"))


def run(arguments: argparse.Namespace) -> int:
    """0 where all is whole, else 1."""
    chosen = arguments.backup
    findings = verify_backup(Path(chosen).expanduser()) if chosen else verify_home(settings_of(arguments).home)
    whole, locale = all(finding.ok for finding in findings), system_locale()
    if arguments.json:
        print_json({"whole": whole, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [
            [
                "✓" if finding.ok else "✕",
                _what(finding.what, locale),
                say(f"verify.{finding.key}", locale, **finding.params),
            ]
            for finding in findings
        ]
        print_table(["", *heads("verify", "what", "found")], rows)
    return 0 if whole else FAILED


def _what(what: str, locale: str) -> str:
    """What was checked; a run and a file stand by their own name."""
    return say(f"verify.what_{what}", locale) if what in ("database", "schema", "runs", "files", "class") else what
