"""Dynamic sampling: other prompts are asked in place of groups whose rewards are all equal, up to a bound of rounds.

Source: DAPO, arXiv 2503.14476, section 3.2 (eq. 11). There a batch is filled until each of its groups has spread; here the rounds are
bounded, and groups that are still without spread after the last one stay, marked ``no_spread``. Prompts are drawn at random by the
run's seed and the step, so that a resumed run draws the same ones. Not here: how a prompt is asked and scored (``group_trainer.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.core.groups import make_group
from lab.core.rules import Reward

Row = dict[str, Any]


@dataclass
class Sampled:
    """Prompts, each asked K times in a row, and what was written; every list has one entry a completion."""

    rows: list[Row] = field(default_factory=list)
    prompt_ids: list[list[int]] = field(default_factory=list)
    completion_ids: list[list[int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    sampler_logps: list[list[float]] = field(default_factory=list)
    """log π of each token by what wrote it; no entry at all where the model in training did."""

    def silent(self, size: int) -> list[int]:
        """Where the groups of ``size`` begin whose rewards do not differ."""
        values = [reward.value for reward in self.rewards]
        return [at for at in range(0, len(values), size) if not make_group(values[at : at + size]).has_spread]

    def replace(self, at: int, fresh: Sampled, start: int, size: int) -> None:
        """Put a group of ``fresh`` in the place of the one at ``at``."""
        for name in ("rows", "prompt_ids", "completion_ids", "texts", "rewards", "sampler_logps"):
            getattr(self, name)[at : at + size] = getattr(fresh, name)[start : start + size]


@dataclass(frozen=True)
class Draws:
    """How many groups were sampled for a step, and how many of them were thrown away for want of spread."""

    drawn: int
    thrown_away: int


def with_spread(
    sampled: Sampled,
    size: int,
    rounds: int,
    draw: Callable[[int], Sequence[Row]],
    ask: Callable[[list[Row]], Sampled],
    goes_on: Callable[[bool], bool] = bool,
) -> Draws:
    """Replace groups without spread in ``sampled``, in place, in at most ``rounds`` rounds.

    ``draw(n)`` gives n other prompts; ``ask`` samples one completion a row that it is given, K = ``size`` rows a prompt. ``goes_on`` decides
    from whether this process still has groups to replace: where processes must sample together, one without any samples a prompt for nothing.
    """
    drawn = len(sampled.texts) // size
    thrown_away = 0
    for _ in range(rounds):
        places = sampled.silent(size)
        if not goes_on(bool(places)):
            break
        fresh = ask([row for row in draw(max(1, len(places))) for _ in range(size)])
        for number, at in enumerate(places):
            sampled.replace(at, fresh, number * size, size)
        drawn, thrown_away = drawn + len(places), thrown_away + len(places)
    return Draws(drawn, thrown_away)


def prompt_source(dataset: Any, seed: int, step: int, process: int = 0) -> Callable[[int], list[Row]]:
    """Draws prompts of a data set for one step, each round other ones where there are enough."""
    chance, count = random.Random(f"{seed}:{step}:{process}" if process else f"{seed}:{step}"), len(dataset)
    waiting: list[int] = []

    def draw(wanted: int) -> list[Row]:
        nonlocal waiting
        if len(waiting) < wanted:
            waiting += chance.sample(range(count), min(count, max(wanted, 64)))
        while len(waiting) < wanted:  # fewer prompts than are wanted at once
            waiting += chance.choices(range(count), k=wanted)
        chosen, waiting = waiting[:wanted], waiting[wanted:]
        return [dataset[at] for at in chosen]

    return draw
