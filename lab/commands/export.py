"""``python -m lab export``: the data sets that were frozen from judgements, one of them as a folder, or on the Hub."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

from lab.annotation.collections import Annotation
from lab.annotation.versions.freeze import Version
from lab.annotation.versions.importing import TakenIn
from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import WRONG_USAGE, complain, day, print_json, print_table, shorten
from lab.words import say, system_locale
from lab.words.agreement import edit_sentences


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which version, and where to."""
    parser.add_argument("version", nargs="?", metavar="VERSION", help=explained("export.version"))
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help=explained("export.folder"))
    parser.add_argument("--push", metavar="YOU/NAME", help=explained("export.push"))
    parser.add_argument("--public", action="store_true", help=explained("export.public"))
    parser.add_argument("--take-in", metavar="FOLDER", help=explained("export.take_in"))


def run(arguments: argparse.Namespace) -> int:
    """0, or 2 where a version comes without a place to go."""
    with closing(open_store(arguments)) as store:
        return _run(arguments, Annotation(store))


def _run(arguments: argparse.Namespace, annotation: Annotation) -> int:
    if arguments.take_in:
        return _taken_in(arguments, annotation, annotation.import_export(arguments.take_in))
    if arguments.version is None:
        return _list(annotation, as_json=arguments.json)
    version = annotation.version(arguments.version.removeprefix("version:"))
    if not arguments.folder and not arguments.push:
        complain(say("cli.export_where", system_locale(), version=version.id))
        return WRONG_USAGE
    places = []
    if arguments.folder:
        places.append(str(annotation.export(version.id, arguments.folder)))
    if arguments.push:
        places.append(annotation.push(version.id, arguments.push, private=not arguments.public))
    return _done(arguments, annotation, version, *places)


def _taken_in(arguments: argparse.Namespace, annotation: Annotation, done: TakenIn) -> int:
    """Print the version that a folder became; on standard error, where it was here before."""
    if done.was_here:
        complain(say("cli.taken_in_before", system_locale(), name=done.version.name, place=done.version.dataset))
    return _done(arguments, annotation, done.version)


def _done(arguments: argparse.Namespace, annotation: Annotation, version: Version, *places: str) -> int:
    edits = annotation.edits(version.id)
    if arguments.json:
        print_json(_described(version) | {"written": list(places), "edits": edits})
        return 0
    for place in places or (version.dataset,):
        print(say("cli.exported", system_locale(), name=version.name, count=version.preferences, place=place))
    for sentence in edit_sentences(edits, system_locale()):
        print(sentence)
    return 0


def _list(annotation: Annotation, *, as_json: bool) -> int:
    versions = annotation.versions()
    if as_json:
        print_json({"versions": [_described(version) for version in versions]})
        return 0
    if not versions:
        print(say("cli.no_versions", system_locale()))
        return 0
    rows = [
        [
            version.id,
            version.preferences,
            len(version.left_out),
            day(version.created),
            version.content_hash.removeprefix("sha256:")[:12],
            shorten(version.name, 40),
        ]
        for version in versions
    ]
    columns = ("version", "preferences", "left_out", "frozen", "sha256", "name")
    print_table(heads("export", *columns), rows, right=(1, 2))
    return 0


def _described(version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "dataset": version.dataset,
        "name": version.name,
        "collection": version.collection,
        "created": version.created,
        "rule": version.rule.model_dump(mode="json"),
        "with_gold": version.with_gold,
        "content_hash": version.content_hash,
        "preferences": version.preferences,
        "left_out": version.counts,
    }
