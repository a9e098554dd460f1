"""``python -m lab score RULES.toml COMPLETIONS.jsonl``: what a rule set says of completions, as a table or as JSON. Trains nothing.

With ``--run`` in place of the completions it scores what a run wrote: see ``rescored.py``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lab.commands import rescored
from lab.commands.arguments import explained, heads
from lab.commands.printing import complain, number, print_json, print_table, shorten
from lab.core.rules import Reward
from lab.data.datasets import rows_of_file
from lab.data.forms import shape_completions, shape_scored
from lab.data.left_out import counted
from lab.data.turns import last_words
from lab.errors import InputError
from lab.rules.export import as_python
from lab.sandbox.rewards import reward_batch
from lab.sandbox.written import Row
from lab.store.rule_files import read_entries, read_rules
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """RULES and COMPLETIONS, or RULES and a run, or RULES and a file to write."""
    parser.add_argument("rules", metavar="RULES.toml", type=Path, nargs="?", help=explained("score.rules"))
    parser.add_argument(
        "completions", metavar="COMPLETIONS.jsonl", type=Path, nargs="?", help=explained("score.completions")
    )
    rescored.add_arguments(parser)
    parser.add_argument("--as-python", metavar="FILE.py", type=Path, help=explained("score.as_python"))
    parser.set_defaults(misused=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """0; RuleError or DatasetError where a file cannot be used. A rule that fails on a completion is shown, and no failure."""
    choices = [arguments.completions, arguments.run, arguments.as_python]
    if sum(choice is not None for choice in choices) != 1:
        arguments.misused(explained("score.misused"))
    if arguments.run is not None:
        return rescored.run(arguments)
    if arguments.rules is None:
        arguments.misused(explained("score.misused_rules"))
    if arguments.as_python is not None:
        return _export(arguments.rules, arguments.as_python)
    rules = read_rules(arguments.rules)
    rows = _rows(str(arguments.completions))
    rewards = reward_batch(rules, rows)
    names = [weighed.rule.name for weighed in rules]
    if arguments.json:
        print_json(_as_json(names, rows, rewards))
    else:
        _print(names, rows, rewards)
    return 0


def _export(rules: Path, target: Path) -> int:
    text = as_python(read_entries(rules), rules.stem)
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise InputError("rules_target", path=target, why=error.strerror or type(error).__name__) from None
    print(target)
    return 0


def _rows(name: str) -> list[Row]:
    """``(prompt, completion, answer)`` of a file; of a conversation the user's last words and the last answer. What cannot be scored is
    said. Raises DatasetError where nothing can be."""
    rows = rows_of_file(name)
    if "completion" in rows.columns:
        shaped = shape_scored(rows)
    else:
        shaped = shape_completions(rows, marked=False)
    locale = system_locale()
    for why, detail, count in counted(shaped.left_out):
        complain(f"{count} × {say(f'left_out.{why}', locale, detail=detail)}")
    for note in shaped.notes:
        complain(say(f"data_note.{note.key}", locale, **note.params))
    return [(last_words(row["prompt"]), row["completion"], row.get("answer")) for row in shaped.rows]


def _as_json(names: Sequence[str], rows: Sequence[Row], rewards: Sequence[Reward]) -> dict[str, object]:
    values = [reward.value for reward in rewards]
    return {
        "completions": [
            {
                "prompt": prompt,
                "completion": completion,
                "answer": answer,
                "scores": {name: reward.scores[name].as_json() for name in names},
                "reward": reward.value,
            }
            for (prompt, completion, answer), reward in zip(rows, rewards, strict=True)
        ],
        "mean": statistics.fmean(values),
        "errors": {name: sum(reward.scores[name].error is not None for reward in rewards) for name in names},
    }


def _print(names: Sequence[str], rows: Sequence[Row], rewards: Sequence[Reward]) -> None:
    head = ["#", *names, *heads("score", "reward", "completion")]
    room = max(20, shutil.get_terminal_size((120, 24)).columns - sum(len(name) + 2 for name in head) - 8)
    table = [
        [place, *[_cell(reward, name) for name in names], number(reward.value), shorten(completion, room)]
        for place, ((_, completion, _), reward) in enumerate(zip(rows, rewards, strict=True), start=1)
    ]
    print_table(head, table, right=range(len(names) + 2))
    locale = system_locale()
    mean = number(statistics.fmean(reward.value for reward in rewards))
    print(f"\n{say('table.score.mean', locale, count=len(rows), mean=mean)}")
    for name in names:
        messages = Counter(score.error for reward in rewards if (score := reward.scores[name]).error is not None)
        for message, times in messages.most_common(3):
            complain(say("table.score.failed", locale, rule=name, times=times, message=message))


def _cell(reward: Reward, name: str) -> str:
    score = reward.scores[name]
    return number(score.value) if score.error is None else say("table.score.error", system_locale())
