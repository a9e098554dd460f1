"""The table of ``python -m lab groups RUN --tokens`` for GRPO and DPO: what an update made of each token of one completion.

The numbers are those of ``tokens.jsonl``, which the run kept for some of its groups. PPO's tokens stand in ``group_tokens.py``.
"""

from __future__ import annotations

from typing import Any

from lab.commands.group_tokens import piece_shown
from lab.commands.printing import number, print_json, print_table, shorten
from lab.errors import InputError, StateError
from lab.store.lines import Line
from lab.store.runs import Run
from lab.words import say, system_locale


def print_loss_tokens(run: Run, group: Line, at: int, updates: list[Line], *, as_json: bool = False) -> None:
    """Print completion ``at`` (from 1) of a group at its last update. StateError where its tokens were not kept, InputError where
    there is no such one."""
    if not 1 <= at <= len(group["completions"]):
        raise InputError("group_has_no_completion", number=at, last=len(group["completions"]))
    known = [(line, told) for line in updates for told in line["completions"] if told["index"] == at - 1]
    if not known:
        raise StateError("tokens_not_kept", run=run.name, step=group["step"], group=group["group"] + 1, number=at)
    line, told = known[-1]
    place = {"step": group["step"], "at": line["at"], "update": line["update"]}
    if as_json:
        print_json(
            {
                **place,
                "group": group["group"],
                "completion": at - 1,
                **{name: value for name, value in told.items() if name != "index"},
            }
        )
        return
    locale = system_locale()
    print(say("loss_tokens.place", locale, **place, group=group["group"] + 1, completion=at))
    print(say("loss_tokens.prompt", locale, prompt=shorten(str(group.get("prompt", "")), 100)) + "\n")
    columns = {
        name: told[key]
        for name, key in (
            ("logp", "logps"),
            ("ref_logp", "ref_logps"),
            ("entropy", "entropies"),
            ("ratio", "ratios"),
            ("part", "parts"),
        )
        if key in told
    }
    names = [say(f"loss_tokens.{name}", locale) for name in columns]
    texts = told.get("token_texts") or [None] * len(told["logps"])
    clipped = told.get("clipped") or [False] * len(texts)
    rows: list[list[Any]] = [
        [n, piece_shown(text), *(number(column[n], "+.5g") for column in columns.values()), "✂" if clipped[n] else ""]
        for n, text in enumerate(texts)
    ]
    print_table(["#", say("loss_tokens.token", locale), *names, ""], rows, right=[0, *range(2, 2 + len(names))])
    print("\n" + say("loss_tokens.legend_pair" if "ratios" not in told else "loss_tokens.legend", locale))
