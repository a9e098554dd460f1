"""``python -m lab score … --run RUN``: what the groups of a run would have taught under other rules, another threshold or estimator."""

from __future__ import annotations

import argparse
import shutil
from typing import Any

from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import number, print_json, print_table, shorten
from lab.core.groups import Estimator, ThresholdKind
from lab.core.what_if import GroupChange, Standing, WhatIf
from lab.errors import StateError
from lab.runs.rescoring import Rescored, rescore
from lab.store.recordings import grouped
from lab.store.rule_files import read_rules
from lab.store.runs import Store
from lab.words import say, system_locale

LATEST = 8
"""Steps that are looked at where none are named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--run`` and what is to be otherwise."""
    parser.add_argument("--run", metavar="RUN", help=explained("score.run"))
    parser.add_argument("--steps", type=_steps, metavar="A-B", help=explained("score.steps", count=LATEST))
    parser.add_argument(
        "--threshold", type=ThresholdKind, choices=[*ThresholdKind], metavar="KIND", help=explained("score.threshold")
    )
    parser.add_argument("--fraction", type=_share, metavar="T", help=explained("score.fraction"))
    parser.add_argument(
        "--estimator", type=Estimator, choices=[*Estimator], metavar="KIND", help=explained("score.estimator")
    )


def run(arguments: argparse.Namespace) -> int:
    """0, or a StateError where the run has no groups in these steps."""
    store = open_store(arguments)
    first, last = arguments.steps or _latest(store, arguments.run)
    rules = None if arguments.rules is None else read_rules(arguments.rules)
    change = WhatIf(arguments.threshold, arguments.fraction, arguments.estimator)
    rescored = rescore(grouped(store, arguments.run), rules, first, last, change)
    if not rescored.groups:
        known = "–".join(map(str, _latest(store, arguments.run)))
        raise StateError("run_has_no_groups", run=arguments.run, step=f"{first}–{last}", known=known)
    if arguments.json:
        print_json({"summary": rescored.summary, "groups": [group.as_json() for group in rescored.groups]})
    else:
        _print(rescored)
    return 0


def _latest(store: Store, run_id: str) -> tuple[int, int]:
    steps = [row.step for row in grouped(store, run_id).groups_index().rows]
    if not steps:
        run = store.run(run_id)
        raise StateError("run_without_groups", run=run.name, algorithm=run.algorithm)
    return max(1, max(steps) - LATEST + 1), max(steps)


def _print(rescored: Rescored) -> None:
    for group in rescored.groups:
        _print_group(group)
    summary = rescored.summary
    locale = system_locale()
    rows = [
        [say(f"table.rescored.{name}", locale), number(summary["old"][name]), number(summary["new"][name])]
        for name in ("reward", "kept_share", "no_spread_share")
    ]
    head = [say("table.rescored.groups", locale, count=summary["groups"]), *heads("rescored", "was", "would_be")]
    print_table(head, rows, right=(1, 2))
    print(f"\n{say('table.rescored.changed', locale, **summary)}")


def _print_group(group: GroupChange) -> None:
    locale = system_locale()
    answer = "" if group.answer is None else say("table.groups.answer", locale, answer=group.answer)
    place = say("table.rescored.place", locale, step=group.step, group=group.group)
    print(f"{place}  {shorten(group.prompt, 80)}{answer}")
    head = [
        "#",
        *heads("rescored", "reward_was", "would_be", "advantage", "would_be"),
        "",
        "",
        *heads("score", "completion"),
    ]
    room = max(20, shutil.get_terminal_size((120, 24)).columns - 56)
    rows: list[list[Any]] = [
        [place, number(change.old.reward), number(change.new.reward), _signed(change.old), _signed(change.new), _mark(change.old), _mark(change.new),
         shorten(change.text, room)]
        for place, change in enumerate(group.completions)
    ]  # fmt: skip
    print_table(head, rows, right=range(5))
    print()


def _mark(standing: Standing) -> str:
    return "✓" if standing.kept else "✕"


def _signed(standing: Standing) -> str:
    return number(standing.advantage, "+.3f")


def _steps(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value
