"""The tables of ``python -m lab groups RUN --tokens``: what PPO credited each token of one completion with, and what an update of
GRPO or DPO made of each, from the ``tokens.jsonl`` that the run kept for some of its groups.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lab.commands.arguments import heads
from lab.commands.printing import number, print_json, print_table, shorten
from lab.core.token_credit import token_credits
from lab.errors import InputError, StateError
from lab.store.lines import Line
from lab.store.runs import Run
from lab.words import say, system_locale


def _completion(group: Line, at: int) -> dict[str, Any]:
    completions: list[dict[str, Any]] = group.get("completions") or []
    if not 1 <= at <= len(completions):
        raise InputError("group_has_no_completion", number=at, last=len(completions))
    return completions[at - 1]


def print_tokens(run: Run, group: Line, at: int, *, as_json: bool) -> None:
    """Print completion ``at`` (from 1) of a group. StateError where the run has no values, InputError where there is no such one."""
    completion = _completion(group, at)
    discount, lam = (float(run.recipe.get(name, 1.0)) for name in ("discount", "gae_lambda"))
    credits = token_credits(completion, group.get("whitening"), discount, lam)
    if not credits:
        raise StateError("run_has_no_tokens", run=run.name, algorithm=run.algorithm)
    if as_json:
        place = {"step": group["step"], "group": group.get("group", 0), "completion": at - 1}
        print_json(place | {"tokens": list(map(asdict, credits))})
        return
    locale = system_locale()
    place = {
        "step": group["step"],
        "group": group.get("group", 0) + 1,
        "completion": at,
        "of": len(group["completions"]),
    }
    print(say("table.group_tokens.place", locale, **place))
    print(say("table.groups.prompt", locale, prompt=shorten(str(group.get("prompt", "")), 100)))
    print(say("table.group_tokens.completion_reward", locale, reward=number(completion.get("reward"))) + "\n")
    head = ["#", *heads("group_tokens", "token", "value", "r", "delta", "gae", "advantage")]
    rows = [
        [place, piece_shown(one.piece), *map(signed, (one.value, one.reward, one.delta, one.estimate, one.advantage))]
        for place, one in enumerate(credits)
    ]
    print_table(head, rows, right=[0, *range(2, len(head))])
    print()
    print(say("table.group_tokens.legend", locale, discount=discount, lam=lam).rstrip())
    if credits[0].reward is None:
        print(say("table.group_tokens.older", locale))


def signed(value: object) -> str:
    """Three decimals with a sign, none at 0; a dash where there is no number."""
    text = number(value, "+.3f")
    return "0.000" if text in ("+0.000", "−0.000") else text


def piece_shown(piece: str | dict[str, str] | None) -> str:
    """What a token wrote, spaces and line ends as signs; a dash where it is not known."""
    if piece is None:
        return "–"
    if isinstance(piece, dict):
        return piece["special"]
    shown = piece.replace(" ", "␣").replace("\n", "⏎") or say("table.group_tokens.part", system_locale())
    return "".join(letter if letter.isprintable() else "�" for letter in shown)


COLUMNS = {
    "logp": "logps",
    "ref_logp": "ref_logps",
    "entropy": "entropies",
    "ratio": "ratios",
    "sampler_logp": "sampler_logps",
    "weight": "importance_weights",
    "part": "parts",
}


def print_loss_tokens(run: Run, group: Line, at: int, updates: list[Line], *, as_json: bool) -> None:
    """Print completion ``at`` (from 1) of a group at its last update. StateError where its tokens were not kept, InputError where
    there is no such one."""
    _completion(group, at)
    known = [(line, told) for line in updates for told in line["completions"] if told["index"] == at - 1]
    if not known:
        raise StateError("tokens_not_kept", run=run.name, step=group["step"], group=group["group"] + 1, number=at)
    line, told = known[-1]
    place = {"step": group["step"], "at": line["at"], "update": line["update"]}
    if as_json:
        numbers = {name: value for name, value in told.items() if name != "index"}
        print_json({**place, "group": group["group"], "completion": at - 1, **numbers})
        return
    locale = system_locale()
    print(say("loss_tokens.place", locale, **place, group=group["group"] + 1, completion=at))
    print(say("loss_tokens.prompt", locale, prompt=shorten(str(group.get("prompt", "")), 100)) + "\n")
    columns = {name: told[key] for name, key in COLUMNS.items() if key in told}
    names = [say(f"loss_tokens.{name}", locale) for name in columns]
    texts = told.get("token_texts") or [None] * len(told["logps"])
    clipped = told.get("clipped") or [False] * len(texts)
    rows: list[list[Any]] = [
        [n, piece_shown(text), *(number(column[n], "+.5g") for column in columns.values()), "✂" if clipped[n] else ""]
        for n, text in enumerate(texts)
    ]
    print_table(["#", say("loss_tokens.token", locale), *names, ""], rows, right=[0, *range(2, 2 + len(names))])
    print("\n" + say("loss_tokens.legend_pair" if "ratios" not in told else "loss_tokens.legend", locale))
