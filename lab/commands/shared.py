"""What several commands share: the home, the store in it, a collection by its name, and the table that they print. Nothing of runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
import unicodedata
from collections.abc import Sequence

from lab.annotation.collections import Annotation
from lab.errors import StateError
from lab.settings import Settings, read_settings
from lab.store.runs import Store

FAILED, STOPPED = 1, 130


def add_home(parser: argparse.ArgumentParser) -> None:
    """``--home DIR``, as every command has it."""
    parser.add_argument("--home", metavar="DIR", help="the lab's home (default: LAB_HOME, else ./lab_home)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, for scripts."""
    parser.add_argument("--json", action="store_true", help="print JSON on standard output instead of words")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The home that flags and environment name; a command listens nowhere, so the rest of the environment is not its."""
    ours = {name: os.environ[name] for name in ("LAB_HOME", "LAB_ALLOW_UNSAFE_DISK") if name in os.environ}
    return read_settings(["--home", arguments.home] if arguments.home else [], ours)


def open_store(arguments: argparse.Namespace) -> Store:
    """The store of that home."""
    settings = settings_of(arguments)
    return Store(settings.home, allow_unsafe_disk=settings.allow_unsafe_disk)


def collection_named(store: Store, wanted: str) -> str:
    """The id of the collection of that id or name; of several with one name, the newest. Raises StateError ``agree_no_collection``."""
    found = Annotation(store).collections()
    for one in [*(one for one in found if one.id == wanted), *(one for one in found if one.name == wanted)]:
        return one.id
    raise StateError("agree_no_collection", value=wanted[:80], known=", ".join(one.name for one in found) or "–")


def home_flag(arguments: argparse.Namespace) -> str:
    """What to append to a command that is shown, so that it finds the same home."""
    return f" --home {arguments.home}" if arguments.home else ""


def print_json(value: object) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Columns of text, as wide as their widest cell; the columns in ``right`` are set to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(width(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        parts = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - width(cell))
            parts.append(space + cell if column in right else cell + space)
        print("  ".join(parts).rstrip())


def width(text: str) -> int:
    """The columns that a text takes in a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shorten(text: str, most: int) -> str:
    """One line of at most ``most`` columns."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text.replace("\n", " ⏎ ")).split())
    if width(line) <= most:
        return line
    while line and width(line) > most - 1:
        line = line[:-1]
    return line + "…"


def duration(seconds: float | None) -> str:
    """``1:05:09`` or ``4:07``; a dash where unknown."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def complain(sentence: str) -> None:
    """A sentence on standard error."""
    print(sentence, file=sys.stderr)
