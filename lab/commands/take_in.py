"""``python -m lab take-in FILE``: rollouts that another tool recorded, as groups of this lab, to look at and to ask What if."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import complain, day, print_json, print_table
from lab.data.recordings import Recording
from lab.store.recordings import Recordings, RolloutFiles
from lab.store.runs import Store
from lab.words import say, system_locale
from lab.words.recordings import left_out_sentences, note_sentences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files, and what they are called."""
    parser.add_argument("files", metavar="FILE", type=Path, nargs="*", help=explained("take-in.files"))
    parser.add_argument("--name", metavar="NAME", default="", help=explained("take-in.name"))
    parser.add_argument("--rewards", metavar="A,B", default="", help=explained("take-in.rewards"))
    parser.add_argument("--delete", metavar="ID", help=explained("take-in.delete"))


def run(arguments: argparse.Namespace) -> int:
    """0; DatasetError where a file cannot be read or is no tool's, StateError where there is no such recording."""
    store = open_store(arguments)
    if arguments.delete:
        Recordings(store).delete(arguments.delete)
        print(arguments.delete)
        return 0
    if not arguments.files:
        return _list(Recordings(store).all(), as_json=arguments.json)
    recording = _take_in(arguments.files, arguments.rewards, arguments.name, store)
    if arguments.json:
        print_json(recording.as_json())
        return 0
    locale = system_locale()
    for sentence in (*note_sentences(recording, locale), *left_out_sentences(recording, locale)):
        complain(sentence)
    counts = {"groups": recording.groups, "completions": recording.completions, "steps": recording.steps}
    print(say("recordings.taken_in", locale, name=recording.name, id=recording.id, tool=recording.tool, **counts))
    return 0


def _take_in(files: Sequence[Path], rewards: str, name: str, store: Store) -> Recording:
    named = [column.strip() for column in rewards.split(",") if column.strip()]
    with RolloutFiles(files, named) as reading:
        for progress in reading.read():
            if sys.stderr.isatty():
                print(f"\r\x1b[2K{progress.rows:,}  {progress.share or 0:.0%}", end="", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
        return reading.keep(store, name)


def _list(recordings: Sequence[Recording], *, as_json: bool) -> int:
    if as_json:
        print_json({"recordings": [recording.as_json() for recording in recordings]})
    elif not recordings:
        print(say("recordings.none", system_locale()))
    else:
        rows = [
            [each.id, each.tool, each.steps, each.groups, each.completions, day(each.created), each.name]
            for each in recordings
        ]
        columns = ("id", "tool", "steps", "groups", "completions", "taken_in", "name")
        print_table(heads("take_in", *columns), rows, right=(2, 3, 4))
    return 0
