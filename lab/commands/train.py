"""``python -m lab train PRESET``: one recipe in the foreground, with a progress line."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import add_recipe, chosen_recipe, open_store
from lab.commands.progress_line import follow
from lab.core.recipes import Recipe
from lab.runs.estimate import Estimator
from lab.runs.foreground import train_in_foreground
from lab.runs.run_time import known_time
from lab.words import say, system_locale
from lab.words.cost import cost, how_long


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET and what changes it."""
    add_recipe(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 finished, 1 failed, 130 stopped."""
    recipe = chosen_recipe(arguments)
    store = open_store(arguments)
    before = cost_before(recipe, store.home.absolute())
    return follow(store, arguments, lambda line: train_in_foreground(recipe, store, line), before)


def cost_before(recipe: Recipe, home: Path) -> str:
    """What is known of memory and time before the start; nothing is measured for it."""
    locale, memory, seconds = system_locale(), Estimator(home).known(recipe), known_time(recipe, home)
    time = say("estimate.time_unknown", locale) if seconds is None else how_long(seconds, recipe, locale)
    return " ".join([*([cost(memory, locale)] if memory else []), time])
