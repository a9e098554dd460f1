"""Arguments that several commands share, and what they name: the home, its store, a recipe, a collection. Not here: what is printed."""

from __future__ import annotations

import argparse
import os
import tomllib
from typing import Any

from lab.annotation.collections import Annotation
from lab.core.recipes import Recipe, with_values
from lab.errors import RecipeError, StateError
from lab.settings import Settings, read_settings
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.words import say, system_locale


def explained(key: str, **params: object) -> str:
    """The help of an argument or a command, ``COMMAND.ARGUMENT``, in the language of the terminal (``lab/words/*/help.toml``)."""
    return say(f"help.{key}", system_locale(), **params)


def heads(table: str, *columns: str) -> list[str]:
    """The head of a table in the language of the terminal, a word for each column (``lab/words/*/tables.toml``)."""
    return [say(f"table.{table}.{column}", system_locale()) for column in columns]


def add_home(parser: argparse.ArgumentParser) -> None:
    """``--home DIR``, as every command has it."""
    parser.add_argument("--home", metavar="DIR", help=explained("common.home"))


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, for scripts."""
    parser.add_argument("--json", action="store_true", help=explained("common.json"))


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """PRESET and ``--set``."""
    parser.add_argument("preset", metavar="PRESET", help=explained("common.preset"))
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="changes",
        action="append",
        default=[],
        help=explained("common.set"),
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The home that flags and environment name; a command opens no port, so it reads no other variable."""
    ours = {name: os.environ[name] for name in ("LAB_HOME", "LAB_ALLOW_UNSAFE_DISK") if name in os.environ}
    return read_settings(["--home", arguments.home] if arguments.home else [], ours)


def open_store(arguments: argparse.Namespace) -> Store:
    """The store of that home."""
    settings = settings_of(arguments)
    return Store(settings.home, allow_unsafe_disk=settings.allow_unsafe_disk)


def collection_named(store: Store, wanted: str) -> str:
    """The id of the collection of that id or name; of several with one name, the newest. Raises StateError ``agree_no_collection``."""
    collections = Annotation(store).collections()
    for attribute in ("id", "name"):
        for collection in collections:
            if getattr(collection, attribute) == wanted:
                return collection.id
    known = ", ".join(collection.name for collection in collections) or "–"
    raise StateError("agree_no_collection", value=wanted[:80], known=known)


LAST = "last"
"""Typed in a run's place: the newest one that has finished."""


def run_called(store: Store, text: str) -> str:
    """The id that somebody typed, ``last`` replaced by that of the newest finished run (``last@50``: its checkpoint). Raises StateError."""
    name, at, step = text.partition("@")
    if name.removeprefix("run:") != LAST:
        return text
    finished = next((run.id for run in store.runs() if run.state is RunState.FINISHED), None)
    if finished is None:
        raise StateError("no_last_run")
    return f"{finished}{at}{step}"


def home_flag(arguments: argparse.Namespace) -> str:
    """What to append to a command that is shown, so that it finds the same home."""
    return f" --home {arguments.home}" if arguments.home else ""


def chosen_recipe(arguments: argparse.Namespace) -> Recipe:
    """The recipe that PRESET and ``--set`` name. Raises RecipeError."""
    recipe = load_preset(arguments.preset).recipe
    if arguments.changes:
        recipe = with_values(recipe, dict(_change(text) for text in arguments.changes), source="--set")
    return recipe


def _change(text: str) -> tuple[str, Any]:
    """``key=value``, the value as TOML would read it, or as plain text where that fails (``name=my first run``)."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError("recipe_set", value=text)
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
