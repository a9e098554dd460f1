"""``python -m lab preview PRESET``: a few rows as the model will see them, before anything is trained."""

from __future__ import annotations

import argparse
from typing import Any

from lab.commands.arguments import add_recipe, chosen_recipe, open_store
from lab.commands.printing import print_json
from lab.runs.preview import preview
from lab.words import say, system_locale, table, with_mend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET and what changes it."""
    add_recipe(parser)


def run(arguments: argparse.Namespace) -> int:
    """0; a LabError where the rows cannot be used."""
    recipe = chosen_recipe(arguments)
    home = open_store(arguments).home.absolute()
    rows = preview(recipe, home)
    if arguments.json:
        print_json(rows)
    else:
        _print(rows)
    return 0


def _print(preview_rows: dict[str, Any]) -> None:
    locale = system_locale()
    tokens = say("table.preview.tokens", locale)
    for number, row in enumerate(preview_rows["rows"], start=1):
        for column, seen in row.items():
            cut = f", −{seen['cut']}" if seen["cut"] else ""
            print(f"── {number} · {_column(column, locale)} · {seen['tokens']} {tokens}{cut}")
            print(seen["masked"] + (f"⟦{seen['trained']}⟧" if seen["trained"] else ""))
    print(say(f"cli.preview_{preview_rows['template']}", locale, count=preview_rows["count"]))
    for note in preview_rows["notes"]:
        print(with_mend(note, locale))


def _column(column: str, locale: str) -> str:
    return say(f"train.column_{column}", locale) if f"train.column_{column}" in table("en") else column
