"""Applies another rule set, threshold or estimator to the recorded groups of a run. Reads the run's folder and changes nothing in it.

What the numbers are stands in ``lab.core.what_if``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.core.algorithms import ALGORITHMS
from lab.core.groups import Baseline, estimator_of
from lab.core.rules import NOT_RUN, Reward, Score
from lab.core.what_if import GroupChange, Line, WhatIf, summary, what_if
from lab.errors import InputError
from lab.sandbox.rewards import Weighed, reward_batch
from lab.sandbox.written import BATCH
from lab.store.run_folder import RunFolder

MOST_STEPS = 64
"""Recorded steps that are scored at once: some thousand completions. A run that uses each rollout several times records fewer."""


@dataclass(frozen=True)
class Rescored:
    """The groups of a range of steps, before and after, and what that comes to."""

    groups: tuple[GroupChange, ...]
    summary: dict[str, Any]


def rescore(
    folder: RunFolder,
    rules: Sequence[Weighed] | None,
    first: int,
    last: int,
    change: WhatIf | None = None,
    *,
    until: float = math.inf,
) -> Rescored:
    """The recorded groups of the steps ``first`` to ``last`` (both included) under other rules, threshold or estimator.

    ``rules=None`` keeps the recorded rewards. Where a reward model had a part in the rewards (PPO), its recorded scores keep it; a
    completion without one is unscored, and so is one that no rule was run on since ``until`` had come (see ``scores_of``).
    Raises InputError ``steps_asked`` for more than MOST_STEPS steps, MachineError where the sandbox does not start.
    """
    if last < first or len({row.step for row in folder.groups_index().rows if first <= row.step <= last}) > MOST_STEPS:
        raise InputError("steps_asked", first=first, last=last, most=MOST_STEPS)
    recipe = (folder.recipe() or {}).get("recipe") or {}
    algorithm = ALGORITHMS.get(str(recipe.get("algorithm")))
    by_tokens = algorithm is not None and algorithm.has_critic
    was = estimator_of(recipe.get("scale_rewards", True), recipe.get("baseline", Baseline.MEAN))
    skips = bool(recipe.get("skip_no_spread", False))  # PPO, which has no such setting, leaves nothing out
    changes: list[GroupChange] = []
    for lines in _batches(folder.group_lines(first, last)):
        rewards = None if rules is None else _rewards(lines, rules, recipe, until)
        for line in lines:
            size = len(line["completions"])
            anew = None
            if rewards is not None:
                anew, rewards = rewards[:size], rewards[size:]
            changes.append(what_if(line, anew, change, was=was, skip_no_spread=skips, by_tokens=by_tokens))
    return Rescored(tuple(changes), summary(changes))


def _batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Groups that are scored together: where time runs out, those before it have the scores of all rules."""
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if sum(len(each["completions"]) for each in batch) >= BATCH:
            yield batch
            batch = []
    yield batch


def _rewards(lines: Sequence[Line], rules: Sequence[Weighed], recipe: dict[str, Any], until: float) -> Sequence[Reward]:
    """One reward a completion, as the run's algorithm makes it of the rules; NaN where it cannot be known."""
    rows = [
        (line["prompt"], completion["text"], line.get("answer")) for line in lines for completion in line["completions"]
    ]
    rewards = [_as_run(reward, recipe) for reward in reward_batch(rules, rows, until)]
    if not recipe.get("reward_model"):
        return rewards
    of_model = [completion["scores"].get("reward_model") for line in lines for completion in line["completions"]]
    return [_with_model(reward, score, recipe) for reward, score in zip(rewards, of_model, strict=True)]


def _as_run(reward: Reward, recipe: dict[str, Any]) -> Reward:
    """The part of the rules, weighed as the recipe has it (PPO's ``rules_weight``)."""
    missed = any(score.error == NOT_RUN for score in reward.scores.values())
    return replace(reward, value=math.nan if missed else recipe.get("rules_weight", 1.0) * reward.value)


def _with_model(reward: Reward, score: Any, recipe: dict[str, Any]) -> Reward:
    if not isinstance(score, (int, float)):
        of_model, value = Score(0.0, "was not recorded"), math.nan
    else:
        of_model, value = Score(float(score)), float(score)
    both = reward.value + recipe.get("reward_model_weight", 1.0) * value
    return replace(reward, value=both, scores={**reward.scores, "reward_model": of_model})
