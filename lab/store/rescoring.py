"""What if, for a recorded run: its groups of some steps scored anew by a rule set. It reads the run's folder and changes nothing in it.

What the numbers are stands in ``lab.core.what_if``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.core.groups import Estimator
from lab.core.rules import Reward, Score
from lab.core.what_if import GroupChange, Line, WhatIf, summary, what_if
from lab.errors import InputError
from lab.sandbox.rewards import Weighed, reward_batch
from lab.store.run_folder import RunFolder

MOST_STEPS = 64
"""Steps that are scored at once: some thousand completions."""


@dataclass(frozen=True)
class Rescored:
    """The groups of a range of steps, before and after, and what that comes to."""

    groups: tuple[GroupChange, ...]
    summary: dict[str, Any]


def rescore(
    folder: RunFolder, rules: Sequence[Weighed] | None, first: int, last: int, change: WhatIf | None = None
) -> Rescored:
    """The recorded groups of the steps ``first`` to ``last`` (both included) under other rules, threshold or estimator.

    ``rules=None`` keeps the recorded rewards. Where a reward model had a part in the rewards (PPO), its recorded scores keep it.
    Raises InputError ``steps_asked`` for more than MOST_STEPS steps, MachineError where the sandbox does not start.
    """
    if last < first or last - first >= MOST_STEPS:
        raise InputError("steps_asked", first=first, last=last, most=MOST_STEPS)
    recipe = (folder.recipe() or {}).get("recipe") or {}
    lines = folder.group_lines(first, last)
    rewards = None if rules is None else _rewards(lines, rules, recipe)
    was = Estimator.GROUP_SCALED if recipe.get("scale_rewards", True) else Estimator.UNSCALED
    skips = bool(recipe.get("skip_no_spread", False))  # PPO, which has no such setting, leaves nothing out
    changes: list[GroupChange] = []
    at = 0
    for line in lines:
        size = len(line["completions"])
        anew = None if rewards is None else rewards[at : at + size]
        changes.append(what_if(line, anew, change, was=was, skip_no_spread=skips))
        at += size
    return Rescored(tuple(changes), summary(changes))


def _rewards(lines: Sequence[Line], rules: Sequence[Weighed], recipe: dict[str, Any]) -> list[Reward]:
    rows = [(line["prompt"], one["text"], line.get("answer")) for line in lines for one in line["completions"]]
    rewards = reward_batch(rules, rows)
    if not recipe.get("reward_model"):
        return rewards
    of_model = [one["scores"].get("reward_model") for line in lines for one in line["completions"]]
    return [_with_model(reward, score, recipe) for reward, score in zip(rewards, of_model, strict=True)]


def _with_model(reward: Reward, score: Any, recipe: dict[str, Any]) -> Reward:
    value = float(score) if isinstance(score, (int, float)) else 0.0
    both = recipe.get("rules_weight", 1.0) * reward.value + recipe.get("reward_model_weight", 1.0) * value
    return replace(reward, value=both, scores={**reward.scores, "reward_model": Score(value)})
