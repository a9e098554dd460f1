"""``python -m lab data``: the datasets of the hub that are here, and getting one."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import explained, heads, open_store
from lab.commands.models import ProgressLine
from lab.commands.printing import WRONG_USAGE, complain, print_json, print_table
from lab.data.hub_rows import parse_hub, rows_of_hub, source_of
from lab.runs.fetch.hub_data import get_data
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which dataset."""
    parser.add_argument("action", nargs="?", default="list", choices=("list", "get"), help=explained("data.action"))
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help=explained("data.dataset"))


def run(arguments: argparse.Namespace) -> int:
    """0, or 2 where no dataset is named."""
    home = open_store(arguments).home.absolute()
    if arguments.action == "list":
        return _list(home, as_json=arguments.json)
    if not arguments.dataset:
        complain(say("cli.data_get_what", system_locale()))
        return WRONG_USAGE
    line = ProgressLine()
    try:
        folder = get_data(arguments.dataset, home, line)
    finally:
        line.close()
    name = parse_hub(arguments.dataset)
    read = rows_of_hub(str(name), home)
    rows = len(read.rows)
    notes = source_of(folder)
    if arguments.json:
        print_json({**notes, "path": str(folder), "rows": rows})
    else:
        for note in read.notes:
            complain(say(f"data_note.{note.key}", system_locale(), **note.params))
        print(say("cli.data_here", system_locale(), name=name, path=folder, licence=notes["licence"], rows=rows))
    return 0


def _list(home: Path, *, as_json: bool) -> int:
    datasets = [(folder, source_of(folder)) for folder in sorted((home / "data").glob("*")) if source_of(folder)]
    if as_json:
        print_json({"datasets": [{**notes, "path": str(folder)} for folder, notes in datasets]})
    else:
        print_table(
            heads("data", "name", "licence", "here"), [[n["from"], n["licence"], folder] for folder, n in datasets]
        )
    return 0
