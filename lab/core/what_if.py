"""What if? A recorded group with other rewards, another threshold or another estimator, beside what it was. Trains nothing.

Everything is made by ``groups.py`` from the line of groups.jsonl; other rewards are handed in (``lab/runs/rescoring.py`` scores them).
It says what the *same completions* would have taught: a run under other rewards would have written others from its second step on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.core.groups import NO_SPREAD, Estimator, ThresholdKind, WhyDropped, make_group
from lab.core.rules import NOT_RUN, Reward

Line = dict[str, Any]


@dataclass(frozen=True)
class WhatIf:
    """What is changed besides the rewards; None stays as the run had it."""

    threshold: ThresholdKind | None = None
    fraction: float | None = None
    estimator: Estimator | None = None


@dataclass(frozen=True)
class Standing:
    """What became of one completion. ``rank`` is 1 for the best reward; equal rewards share a rank. Unscored ones are last.

    ``advantage`` is None where it cannot be made anew: PPO's comes of values, token by token (GAE), not of the group.
    """

    reward: float | None
    advantage: float | None
    kept: bool
    why_dropped: WhyDropped | None
    rank: int


@dataclass(frozen=True)
class CompletionChange:
    """One completion before and after; ``scores`` are the new ones where it was scored anew, else the recorded ones."""

    text: str
    scores: dict[str, Any]
    old: Standing
    new: Standing


@dataclass(frozen=True)
class GroupChange:
    """One group before and after."""

    step: int
    group: int
    prompt: str
    answer: str | None
    old_mean: float
    old_std: float
    new_mean: float
    new_std: float
    completions: tuple[CompletionChange, ...]

    def as_json(self) -> dict[str, Any]:
        """The shape that stands in docs/routes.md."""
        return {
            "step": self.step,
            "group": self.group,
            "prompt": self.prompt,
            "answer": self.answer,
            "old": {"mean": self.old_mean, "std": self.old_std},
            "new": {"mean": self.new_mean, "std": self.new_std},
            "completions": [asdict(completion) for completion in self.completions],
        }


def what_if(
    line: Line,
    rewards: Sequence[Reward] | None = None,
    change: WhatIf | None = None,
    *,
    was: Estimator | None = None,
    skip_no_spread: bool = True,
    by_tokens: bool = False,
) -> GroupChange:
    """A line of groups.jsonl under other rewards (one a completion; None: the recorded ones) and other settings.

    ``was`` is the run's own estimator, which stays where ``change`` names none (group-scaled where not given), and ``skip_no_spread``
    whether it left out groups without spread. ``by_tokens``: its advantages are PPO's, which stay as they are under the recorded
    rewards and are not known under others. What was, is taken from the line as it stands. Raises ValueError where the rewards are not
    one a completion.
    """
    change = change or WhatIf()
    completions = line["completions"]
    if rewards is not None and len(rewards) != len(completions):
        raise ValueError(f"{len(rewards)} rewards for {len(completions)} completions")
    recorded = [_number(completion.get("reward")) for completion in completions]
    values = recorded if rewards is None else [reward.value for reward in rewards]
    threshold = line.get("threshold") or {}
    group = make_group(
        values,
        change.threshold or ThresholdKind(threshold.get("kind", ThresholdKind.ALL)),
        change.fraction or float(threshold.get("fraction") or 1.0),
        estimator=change.estimator or was or Estimator.GROUP_SCALED,
        skip_no_spread=skip_no_spread,
    )
    was_advantages = [float(completion.get("advantage") or 0.0) for completion in completions]
    old = [
        Standing(_finite(value), was_advantages[n], bool(completion.get("kept")), _why(completion), rank)
        for n, (completion, value, rank) in enumerate(zip(completions, recorded, ranks(recorded), strict=True))
    ]
    advantages: Sequence[float | None] = group.advantages
    if by_tokens:
        advantages = was_advantages if rewards is None else [None] * len(completions)
    new = [
        Standing(_finite(value), advantages[n], group.kept[n], group.why_dropped[n], rank)
        for n, (value, rank) in enumerate(zip(values, ranks(values), strict=True))
    ]
    scores = [completion.get("scores") or {} for completion in completions]
    if rewards is not None:
        scores = [{name: score.as_json() for name, score in reward.scores.items()} for reward in rewards]
    return GroupChange(
        step=int(line["step"]),
        group=int(line["group"]),
        prompt=str(line["prompt"]),
        answer=line.get("answer"),
        old_mean=float(line.get("mean") or 0.0),
        old_std=float(line.get("std") or 0.0),
        new_mean=group.mean,
        new_std=group.std,
        completions=tuple(
            CompletionChange(str(completion["text"]), scores[n], old[n], new[n])
            for n, completion in enumerate(completions)
        ),
    )


def summary(changes: Sequence[GroupChange]) -> dict[str, Any]:
    """What the changes come to: means, kept and no-spread shares before and after, how many completions changed sides, and how many
    were not run because the time was over."""
    completions = [completion for change in changes for completion in change.completions]
    count = len(completions) or 1

    def of(side: str) -> dict[str, float]:
        stands: list[Standing] = [getattr(completion, side) for completion in completions]
        scored = [completion.reward for completion in stands if completion.reward is not None]
        spreads = [getattr(change, f"{side}_std") for change in changes]
        return {
            "reward": sum(scored) / len(scored) if scored else 0.0,
            "kept_share": sum(completion.kept for completion in stands) / count,
            "no_spread_share": sum(std < NO_SPREAD for std in spreads) / (len(spreads) or 1),
        }

    return {
        "groups": len(changes),
        "completions": len(completions),
        "old": of("old"),
        "new": of("new"),
        "newly_kept": sum(completion.new.kept and not completion.old.kept for completion in completions),
        "newly_dropped": sum(completion.old.kept and not completion.new.kept for completion in completions),
        "not_run": sum({"error": NOT_RUN} in completion.scores.values() for completion in completions),
        "rank_changes": sum(completion.new.rank != completion.old.rank for completion in completions),
        "another_best": sum(_best(change, "old").isdisjoint(_best(change, "new")) for change in changes),
    }


def ranks(values: Sequence[float]) -> list[int]:
    """1 for the largest; equal values share the better rank, values that are not finite come last."""
    keys = [value if math.isfinite(value) else -math.inf for value in values]
    return [1 + sum(other > key for other in keys) for key in keys]


def _best(change: GroupChange, side: str) -> set[int]:
    return {n for n, completion in enumerate(change.completions) if getattr(completion, side).rank == 1}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _why(completion: Line) -> WhyDropped | None:
    reason = completion.get("why_dropped")
    return None if reason is None else WhyDropped(reason)
