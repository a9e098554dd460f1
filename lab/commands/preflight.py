"""``python -m lab preflight PRESET``: will this recipe's rules teach its start model anything? Samples and scores; trains nothing."""

from __future__ import annotations

import argparse
from typing import Any

from lab.commands.arguments import add_recipe, chosen_recipe, collection_named, explained, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import number, print_json, print_table
from lab.core.jobs import PREFLIGHT_PROMPTS, preflight_of
from lab.store.runs import RunState
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET, what changes it, how many prompts, and whose judgements."""
    add_recipe(parser)
    parser.add_argument("-n", metavar="N", type=int, help=explained("preflight.n", most=PREFLIGHT_PROMPTS))
    parser.add_argument("--collection", metavar="NAME", help=explained("preflight.collection"))


def run(arguments: argparse.Namespace) -> int:
    """0 whatever the verdict, 1 where the job failed, 130 cancelled by Ctrl-C."""
    store = open_store(arguments)
    collection = collection_named(store, arguments.collection) if arguments.collection else ""
    job = do(preflight_of(chosen_recipe(arguments), arguments.n, collection), store)
    if job.state is RunState.FINISHED:
        report = (job.result or {})["report"]
        print_json({"job": job.id, **report}) if arguments.json else _print(report)
    return status(job)


def _print(report: dict[str, Any]) -> None:
    locale = system_locale()
    verdict, reward, spread = report["verdict"], report["reward"], report["no_spread"]
    sentence = say(f"preflight.{verdict['key']}", locale, **verdict["params"])
    print(f"{say('preflight.verdict_' + verdict['kind'], locale)}: {sentence}")
    for note in report["notes"]:
        print(f"- {say('preflight.' + note['key'], locale, **note['params'])}")
    numbers = {
        "reward": f"{_number(reward['mean'])} ± {_number(reward['std'])}",
        "group_std": _number(report["group_std"]),
        "no_spread": f"{spread['count']} / {spread['of']} = {spread['share']:.0%} ({spread['low']:.0%} – {spread['high']:.0%})",
        "truncated": f"{report['truncated']:.0%}",
        "tokens": f"{report['tokens']:.1f}",
    }
    if report["critic"]:
        del numbers["no_spread"]  # a critic learns across prompts
    print("\n" + "\n".join(f"{say('preflight.number_' + name, locale)}: {value}" for name, value in numbers.items()))
    if (people := report["people"]) is not None:
        share = f"{people['agree']:.0%} ({people['low']:.0%} – {people['high']:.0%})"
        print(f"{say('preflight.number_people', locale, pairs=people['pairs'])}: {share}")
        if people["ties"]:
            print(f"  {say('preflight.number_people_ties', locale, ties=people['ties'])}")
    columns = ("rule", "weight", "mean", "std", "errors", "variance")
    print()
    print_table(
        [say(f"preflight.column_{name}", locale) for name in columns],
        [_row(rule) for rule in report["rules"]],
        right=range(1, len(columns)),
    )
    _print_together(report, locale)


def _print_together(report: dict[str, Any], locale: str) -> None:
    """How the rules go with each other and with the length: a row a rule, a column a rule by its number."""
    names = [rule["name"] for rule in report["rules"]]
    known = {(first, second): r for first, second, r in report["correlations"]}
    rows = [
        [f"{place} {rule['name']}"]
        + [_signed(known[other, rule["name"]]) if (other, rule["name"]) in known else "" for other in names[:-1]]
        + [_signed(rule["with_length"])]
        for place, rule in enumerate(report["rules"], start=1)
    ]
    rows.append([say("preflight.the_reward", locale), *[""] * len(names[:-1]), _signed(report["with_length"])])
    head = ["", *map(str, range(1, len(names))), say("preflight.column_length", locale)]
    print(f"\n{say('preflight.together', locale)}")
    print_table(head, rows, right=range(1, len(head)))


def _row(rule: dict[str, Any]) -> list[str]:
    numbers = [_number(rule[name]) for name in ("weight", "mean", "std")]
    return [rule["name"], *numbers, f"{rule['errors']:.0%}", _number(rule["share_of_variance"])]


def _number(value: float | None) -> str:
    return number(value, ".3g")


def _signed(value: float | None) -> str:
    return number(value, "+.2f")
