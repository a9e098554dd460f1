"""``python -m lab preflight PRESET``: will this recipe's rules teach its start model anything? Samples and scores; trains nothing."""

from __future__ import annotations

import argparse
from typing import Any

from lab.commands.job_line import do, status
from lab.commands.shared import add_home, add_json, open_store, print_json, print_table
from lab.commands.train import add_recipe, chosen_recipe
from lab.core.jobs import PREFLIGHT_PROMPTS, preflight_of
from lab.store.runs import RunState
from lab.ui.text import say, system_locale

HELP = "look before a run: sample the start model and say whether the recipe's rules would teach it anything"
EXAMPLES = """\
examples:
  python -m lab preflight tiny/grpo
  python -m lab preflight tiny/grpo -n 256 --set group_size=4 --set batch_size=32
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET, what changes it, and how many prompts."""
    add_recipe(parser)
    parser.add_argument(
        "-n",
        metavar="N",
        type=int,
        help=f"prompts, each sampled K times (default: as many of {PREFLIGHT_PROMPTS} as a minute allows)",
    )
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 whatever the verdict, 1 where the job failed, 130 cancelled by Ctrl-C."""
    spec = preflight_of(chosen_recipe(arguments), arguments.n)
    job = do(spec, open_store(arguments))
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
    columns = ("rule", "weight", "mean", "std", "errors", "variance", "length")
    print()
    print_table(
        [say(f"preflight.column_{name}", locale) for name in columns],
        [_row(rule) for rule in report["rules"]],
        right=range(1, len(columns)),
    )


def _row(rule: dict[str, Any]) -> list[str]:
    numbers = [_number(rule[name]) for name in ("weight", "mean", "std")]
    return [
        rule["name"],
        *numbers,
        f"{rule['errors']:.0%}",
        *map(_number, (rule["share_of_variance"], rule["with_length"])),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")  # the real minus
