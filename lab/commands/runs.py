"""``python -m lab runs``: the runs there are, the newest first; or one of them, with where the time of its steps goes."""

from __future__ import annotations

import argparse

from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import day, print_json, print_table
from lab.runs.progress import summary, with_warnings
from lab.runs.run_work import settle_gone
from lab.store.run_titles import run_titles
from lab.words import say, system_locale
from lab.words.cost import step_time_line
from lab.words.shares import measured_share

HEAD = ("run", "algorithm", "state", "step", "measured", "created", "name")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One run, or all."""
    parser.add_argument("run", nargs="?", metavar="RUN", help=explained("runs.run"))


def run(arguments: argparse.Namespace) -> int:
    """Always 0."""
    store = open_store(arguments)
    settle_gone(store)
    locale = system_locale()
    titles = run_titles(store, locale)
    chosen, told = ([store.run(arguments.run)], with_warnings) if arguments.run else (store.runs(), summary)
    summaries = [{**told(run, store), "title": titles.get(run.id, run.name)} for run in chosen]
    if arguments.json:
        print_json({"runs": summaries})
        return 0
    if not summaries:
        print(say("cli.no_runs", locale))
        return 0
    rows = []
    for shown in summaries:
        after = (shown["result"] or {}).get("after") or {}
        shares = (measured_share(after, name, locale) for name in ("pass_at_1", "pair_accuracy"))
        measured = next((share for share in shares if share), "–")
        created = day(shown["created"])
        state = say(f"states.{shown['state']}", locale)
        steps = f"{shown['step']}/{shown['steps']}"
        rows.append([shown["id"], shown["algorithm"], state, steps, measured, created, shown["title"]])
    print_table(heads("runs", *HEAD), rows, right=(3,))
    for shown in summaries:
        if shown.get("step_time"):
            print(step_time_line(shown["step_time"], locale))
    return 0
