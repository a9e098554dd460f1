"""``python -m lab groups RUN``: one group as a table, with each rule's score, the reward, the advantage and why.

With ``--tokens`` one completion token by token: ``group_tokens.py``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from typing import Any

from lab.commands.arguments import explained, heads, open_store, run_called
from lab.commands.group_tokens import print_loss_tokens, print_tokens, signed
from lab.commands.printing import number, print_json, print_table, shorten, width
from lab.errors import StateError
from lab.store.lines import Line
from lab.store.recordings import PREFIX, Recordings, grouped
from lab.words import say, system_locale

WHY_DROPPED = ("below_mean", "not_in_top", "no_spread", "unscored")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN, and which group."""
    parser.add_argument("run", metavar="RUN", help=explained("groups.run"))
    parser.add_argument("--step", type=int, metavar="N", help=explained("groups.step"))
    parser.add_argument("--group", type=int, metavar="N", help=explained("groups.group"))
    parser.add_argument("--tokens", type=int, nargs="?", const=1, metavar="N", help=explained("groups.tokens"))


def run(arguments: argparse.Namespace) -> int:
    """0, or a StateError where there is no such group."""
    store = open_store(arguments)
    arguments.run = run_called(store, arguments.run)
    folder = grouped(store, arguments.run)
    taken_in = arguments.run.startswith(PREFIX)
    record = None if taken_in else store.run(arguments.run)
    name = Recordings(store).one(arguments.run).name if record is None else record.name
    steps = sorted({row.step for row in folder.shown_index().rows})
    if record is not None and not steps:
        raise StateError("run_without_groups", run=record.name, algorithm=record.algorithm)
    step = steps[-1] if arguments.step is None else arguments.step
    groups = [json.loads(line) for line in folder.shown_lines_raw(step, step)]
    wanted = [group for group in groups if arguments.group in (None, group.get("group", 0) + 1)]
    if not wanted:
        which = f"{step}" if arguments.group is None else f"{step}/{arguments.group}"
        raise StateError("run_has_no_groups", run=name, step=which, known=f"{steps[0]}–{steps[-1]}")
    if arguments.tokens is not None and record is not None:
        updates = folder.token_lines(step, wanted[0].get("group", 0))
        if updates:
            print_loss_tokens(record, wanted[0], arguments.tokens, updates, as_json=arguments.json)
        else:
            print_tokens(record, wanted[0], arguments.tokens, as_json=arguments.json)
    elif arguments.json:
        print_json({"groups": wanted})
    else:
        _print_group(wanted[0], of=len(groups))
    return 0


def _print_group(group: Line, *, of: int) -> None:
    threshold = group.get("threshold") or {}
    locale = system_locale()
    kind = str(threshold.get("kind", "–"))
    if kind == "top_fraction":
        kind += f" {100 * float(threshold.get('fraction', 0)):g} %"
    place = {"step": group["step"], "group": group.get("group", 0) + 1}
    print(say("table.groups.place", locale, **place, of=of, kind=kind))
    known = group.get("answer") is not None
    answer = say("table.groups.answer", locale, answer=group["answer"]) if known else ""
    print(say("table.groups.prompt", locale, prompt=shorten(str(group.get("prompt", "")), 100)) + answer)
    print(say("table.groups.mean", locale, mean=number(group.get("mean")), std=number(group.get("std"))))
    print()
    completions: list[dict[str, Any]] = group.get("completions") or []
    rules = list(dict.fromkeys(name for completion in completions for name in completion.get("scores") or {}))
    head = ["#", *rules, *heads("groups", "reward", "advantage"), "", *heads("groups", "why", "completion")]
    room = max(20, shutil.get_terminal_size((120, 24)).columns - sum(width(name) + 2 for name in head) - 12)
    rows = [
        [
            at,
            *[_score((completion.get("scores") or {}).get(name)) for name in rules],
            number(completion.get("reward")),
            signed(completion.get("advantage")),
            "✓" if completion.get("kept") else "✕",
            _why(completion, locale),
            shorten(str(completion.get("text", "")), room),
        ]
        for at, completion in enumerate(completions, start=1)
    ]
    print_table(head, rows, right=range(len(rules) + 3))


def _why(completion: dict[str, Any], locale: str) -> str:
    if completion.get("kept"):
        return say("table.groups.kept", locale)
    why = completion.get("why_dropped")
    return say(f"table.groups.why_{why}", locale) if why in WHY_DROPPED else str(why or "–")


def _score(score: Any) -> str:
    return say("table.score.error", system_locale()) if isinstance(score, dict) else number(score)
