"""``python -m lab models``: the models that the lab knows by name, and getting one here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import WRONG_USAGE, StatusLine, bar, complain, print_json, print_table
from lab.runs.fetch.downloads import Fetching, get_model
from lab.store.catalogue import (
    CATALOGUE,
    TINY,
    fetched,
    fetched_names,
    known_entry,
    local_name,
    packaged_source,
    source_of,
)
from lab.store.models import SHIPPED, resolve
from lab.words import say, size_text, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which model."""
    parser.add_argument(
        "action", nargs="?", default="list", choices=("list", "get", "where"), help=explained("models.action")
    )
    parser.add_argument("model", nargs="?", metavar="ID", help=explained("models.model"))


def run(arguments: argparse.Namespace) -> int:
    """0, or 2 where no model is named."""
    if arguments.action != "list" and not arguments.model:
        complain(say("cli.model_get_what", system_locale(), action=arguments.action))
        return WRONG_USAGE
    home = open_store(arguments).home.absolute()
    if arguments.action == "get":
        return _get(arguments.model, home, as_json=arguments.json)
    if arguments.action == "where":
        return _where(arguments.model, home, as_json=arguments.json)
    return _list(home, as_json=arguments.json)


def _list(home: Path, *, as_json: bool) -> int:
    locale = "en" if as_json else system_locale()
    names = [*SHIPPED, *CATALOGUE, *(name for name in fetched_names(home) if name not in CATALOGUE)]
    rows = [_described(name, home, locale) for name in names]
    if as_json:
        print_json({"models": rows})
        return 0
    shown = [
        [
            row["name"],
            f"{row['parameters'] / 1e6:,.1f} M" if row["parameters"] else "–",
            size_text(row["bytes"]),
            row["licence"],
            row["from"],
            row["path"] or "–",
        ]
        for row in rows
    ]
    print_table(heads("models", "name", "parameters", "size", "licence", "from", "here"), shown, right=(1, 2))
    return 0


def _get(model: str, home: Path, *, as_json: bool) -> int:
    line = ProgressLine()
    try:
        folder = get_model(model, home, line)
    finally:
        line.close()
    row = _described(
        model if model in SHIPPED else local_name(model) or model, home, "en" if as_json else system_locale()
    )
    if as_json:
        print_json(row)
    else:
        if package := packaged_source(folder):
            print(say("cli.model_from_package", system_locale(), package=package))
        print(say("cli.model_here", system_locale(), name=row["name"], path=folder, licence=row["licence"]))
    return 0


def _where(model: str, home: Path, *, as_json: bool) -> int:
    place = resolve(model, home).base
    if as_json:
        print_json({"model": model, "path": place})
    else:
        print(place)
    return 0


def _described(name: str, home: Path, locale: str) -> dict[str, Any]:
    """What the list and ``get`` tell of a model: what is noted beside it where it is here, else what the catalogue says."""
    entry = TINY if name in SHIPPED else known_entry(name)
    folder = SHIPPED.get(name) or fetched(name, home)
    source = source_of(folder) if folder else {}
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder else 0
    origin = (
        f"hub:{entry.hub}"
        if entry and entry.hub
        else say("table.models.repository", locale)
        if name in SHIPPED
        else "?"
    )
    if entry and entry.package and not source:
        origin = say("table.models.or_package", locale, place=origin)
    unknown = say("table.models.unknown", locale)
    licence = str(source.get("licence") or (entry.licence if entry else "unknown"))
    return {
        "name": name,
        "parameters": entry.parameters if entry else None,
        "bytes": weights or (entry.size_bytes if entry else None),
        "licence": unknown if licence == "unknown" else licence,
        "from": str(source.get("from") or origin),
        "path": str(folder) if folder else None,
    }


class ProgressLine(StatusLine):
    """How far a download is."""

    def __call__(self, now: Fetching) -> None:
        line = say(f"cli.model_{now.stage}", system_locale())
        if now.total:
            share = min(1.0, now.done / now.total)
            line += f"  {bar(share)} {share:4.0%}  {size_text(now.done)} / {size_text(now.total)}"
        self.show(line, now.stage)
