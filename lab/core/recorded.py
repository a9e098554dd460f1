"""Rollouts of other tools as groups: the lines of ``groups.jsonl`` that they would be, so that all that reads groups reads them.

Completions are a group where the file says so, else where step and prompt are the same. A file does not say what trained: every scored completion
counts as kept under the threshold `all`; the inspector and What if apply another one. An advantage is the file's where it has one for
each completion of the group, else (r − μ) / (σ + 1e-4) as ``groups.py`` has it. Pure: no file is read here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.core.groups import ThresholdKind, WhyDropped, make_group

Line = dict[str, Any]


@dataclass(frozen=True)
class Rollout:
    """One completion that a tool recorded."""

    line: int
    step: int | None
    group: str | None
    """The file's own name of the group; None where it has none."""
    prompt: str
    text: str
    scores: Mapping[str, float | None]
    """By reward function; None where it gave none."""
    reward: float | None
    turns: tuple[dict[str, str], ...] = ()
    answer: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    advantage: float | None = None
    truncated: bool = False
    read: tuple[str, ...] = ()
    """The columns that it was read from, besides those of the scores."""


@dataclass(frozen=True)
class Recorded:
    """The groups of some files, and what was made of them that the files do not say."""

    lines: list[Line]
    weights: dict[str, float]
    """Of each reward function; 1 where the file has none."""
    completions: int
    smallest: int
    largest: int
    by_prompt: int
    """Groups that the file does not name: rows of one step and prompt."""
    without_step: int
    """Completions without a step, which count as step 1."""
    own_advantages: int
    """Completions whose advantage is made here."""
    unscored: int


def recorded(rollouts: Iterable[Rollout]) -> Recorded:
    """The lines of ``groups.jsonl``, by step, groups in the order in which they first appear. ValueError where there are no rollouts."""
    groups: dict[tuple[int, str, str], list[Rollout]] = {}
    weights: dict[str, float] = {}
    without_step = 0
    for rollout in rollouts:
        without_step += rollout.step is None
        key = (max(1, rollout.step or 1), rollout.group or "", "" if rollout.group else _asked(rollout))
        groups.setdefault(key, []).append(rollout)
        for name in rollout.scores:
            weights.setdefault(name, 1.0)
        weights.update(rollout.weights)
    if not groups:
        raise ValueError("no rollouts")
    lines: list[Line] = []
    counted: dict[int, int] = {}
    for (step, _, _), members in sorted(groups.items(), key=lambda item: item[0][0]):
        number = counted.get(step, 0)
        counted[step] = number + 1
        lines.append(_line(step, number, members))
    sizes = [len(members) for members in groups.values()]
    return Recorded(
        lines,
        weights,
        sum(sizes),
        min(sizes),
        max(sizes),
        sum(not name for _, name, _ in groups),
        without_step,
        sum(len(members) for members in groups.values() if not _has_advantages(members)),
        sum(rollout.reward is None for members in groups.values() for rollout in members),
    )


def _asked(rollout: Rollout) -> str:
    return repr(rollout.turns) if rollout.turns else rollout.prompt


def _has_advantages(members: list[Rollout]) -> bool:
    return all(rollout.advantage is not None for rollout in members)


def _line(step: int, number: int, members: list[Rollout]) -> Line:
    rewards = [math.nan if rollout.reward is None else rollout.reward for rollout in members]
    group = make_group(rewards, ThresholdKind.ALL, skip_no_spread=False)
    theirs = _has_advantages(members)
    completions = []
    for rollout, made, reward in zip(members, group.advantages, rewards, strict=True):
        scored = math.isfinite(reward)
        completions.append(
            {
                "text": rollout.text,
                "tokens": None,
                "truncated": rollout.truncated,
                "scores": dict(rollout.scores),
                "reward": reward if scored else None,
                "advantage": rollout.advantage if theirs else made,
                "kept": scored,
                "why_dropped": None if scored else WhyDropped.UNSCORED.value,
                "logp": None,
                "ref_logp": None,
            }
        )
    first = members[0]
    return {
        "version": 1,
        "step": step,
        "group": number,
        "prompt": first.prompt,
        **({"turns": list(first.turns)} if first.turns else {}),
        "answer": first.answer,
        "mean": group.mean,
        "std": group.std,
        "threshold": {"kind": ThresholdKind.ALL.value, "fraction": 1.0},
        "completions": completions,
    }
