"""The table of ``python -m lab groups RUN --tokens``: what PPO credited each token of one completion with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lab.commands.arguments import heads
from lab.commands.printing import number, print_json, print_table, shorten
from lab.core.token_credit import TokenCredit, token_credits
from lab.errors import InputError, StateError
from lab.store.lines import Line
from lab.store.runs import Run
from lab.words import say, system_locale


def print_tokens(run: Run, group: Line, at: int, *, as_json: bool = False) -> None:
    """Print completion ``at`` (from 1) of a group. StateError where the run has no values, InputError where there is no such one."""
    completions: list[dict[str, Any]] = group.get("completions") or []
    if not 1 <= at <= len(completions):
        raise InputError("group_has_no_completion", number=at, last=len(completions))
    completion = completions[at - 1]
    discount, lam = (float(run.recipe.get(name, 1.0)) for name in ("discount", "gae_lambda"))
    credits = token_credits(completion, group.get("whitening"), discount, lam)
    if not credits:
        raise StateError("run_has_no_tokens", run=run.name, algorithm=run.algorithm)
    if as_json:
        print_json(
            {
                "step": group["step"],
                "group": group.get("group", 0),
                "completion": at - 1,
                "tokens": list(map(asdict, credits)),
            }
        )
        return
    locale = system_locale()
    place = {"step": group["step"], "group": group.get("group", 0) + 1, "completion": at, "of": len(completions)}
    print(say("table.group_tokens.place", locale, **place))
    print(say("table.groups.prompt", locale, prompt=shorten(str(group.get("prompt", "")), 100)))
    print(say("table.group_tokens.completion_reward", locale, reward=number(completion.get("reward"))) + "\n")
    head = ["#", *heads("group_tokens", "token", "value", "r", "delta", "gae", "advantage")]
    rows = [[place, piece_shown(credit.piece), *map(signed, _numbers(credit))] for place, credit in enumerate(credits)]
    print_table(head, rows, right=[0, *range(2, len(head))])
    print()
    print(say("table.group_tokens.legend", locale, discount=discount, lam=lam).rstrip())
    if credits[0].reward is None:
        print(say("table.group_tokens.older", locale))


def signed(value: object) -> str:
    """Three decimals with a sign, none at 0; a dash where there is no number."""
    text = number(value, "+.3f")
    return "0.000" if text in ("+0.000", "−0.000") else text


def _numbers(credit: TokenCredit) -> list[float | None]:
    return [credit.value, credit.reward, credit.delta, credit.estimate, credit.advantage]


def piece_shown(piece: str | dict[str, str] | None) -> str:
    """What a token wrote, spaces and line ends as signs; a dash where it is not known."""
    if piece is None:
        return "–"
    if isinstance(piece, dict):
        return piece["special"]
    shown = piece.replace(" ", "␣").replace("\n", "⏎") or say("table.group_tokens.part", system_locale())
    return "".join(letter if letter.isprintable() else "�" for letter in shown)
