"""A sample of a run's groups for the report, with the look of the group inspector: reward, advantage, shares of the rules, who was kept.

The groups are the first ones of the first step and of each measured step: nobody picked them. Not here: token credit, other thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.compare.curves import number_or_nan
from lab.compare.phrases import MINUS, Phrase, figure, in_both, plain
from lab.compare.runs import ComparedRun
from lab.rules import RULES
from lab.store.lines import Line, is_number
from lab.store.run_folder import RunFolder

GROUPS_A_STEP = 2
LONGEST_TEXT = 600
"""Characters of a completion that are shown; what is cut is said."""
RULE_COLOURS = 8
WHY = ("below_mean", "not_in_top", "no_spread", "unscored")


@dataclass(frozen=True)
class Part:
    """One rule's part of a reward: its label, raw score, and the width of its share in percent of the best reward there could be."""

    label: Phrase
    score: str
    width: float
    colour: int
    failed: str = ""


@dataclass(frozen=True)
class Card:
    """One completion."""

    number: int
    kept: bool
    why: Phrase
    reward: str
    advantage: str
    minus: bool
    tokens: int
    truncated: bool
    parts: tuple[Part, ...]
    text: str
    cut: int
    """Characters that are not shown."""


@dataclass(frozen=True)
class ShownGroup:
    """One group, as the report shows it; numbers of groups and completions count from 1."""

    step: int
    number: int
    prompt: str
    answer: str
    mean: str
    std: str
    kept: int
    cards: tuple[Card, ...]


def sample_of_groups(folder: RunFolder, run: ComparedRun) -> list[ShownGroup]:
    """Groups of the first step that has any and of each measured step, in the order of the steps."""
    there = sorted({row.step for row in folder.groups_index().rows})
    if not there:
        return []
    measured = [int(step) for step in run.curves["pass_at_1"].step] if "pass_at_1" in run.curves else []
    steps = {there[0], there[-1]} | {max(step for step in there if step <= at) for at in measured if at >= there[0]}
    weights = {str(use.get("name")): float(use.get("weight", 1.0)) for use in run.recipe.get("rules") or []}
    factor = run.recipe.get("rules_weight")
    weights = {name: weight * (number_or_nan(factor, 1.0)) for name, weight in weights.items()}
    return [_group(line, weights) for step in sorted(steps) for line in folder.group_lines(step, step)[:GROUPS_A_STEP]]


def _group(line: Line, weights: Mapping[str, float]) -> ShownGroup:
    completions = line.get("completions") or []
    return ShownGroup(
        step=int(line["step"]),
        number=int(line.get("group", 0)) + 1,
        prompt=str(line.get("prompt") or ""),
        answer=str(line.get("answer") or ""),
        mean=_figure(line.get("mean")),
        std=_figure(line.get("std")),
        kept=sum(bool(each.get("kept")) for each in completions),
        cards=tuple(_card(number, each, weights) for number, each in enumerate(completions, 1)),
    )


def _card(number: int, completion: Mapping[str, Any], weights: Mapping[str, float]) -> Card:
    text, advantage, why = str(completion.get("text") or ""), completion.get("advantage"), completion.get("why_dropped")
    return Card(
        number=number,
        kept=bool(completion.get("kept")),
        why=Phrase(f"report.why.{why}") if why in WHY else plain(""),
        reward=_figure(completion.get("reward")),
        advantage=f"{advantage:+.2f}".replace("-", MINUS) if is_number(advantage) else "–",
        minus=number_or_nan(advantage) < 0,
        tokens=int(completion.get("tokens") or 0),
        truncated=bool(completion.get("truncated")),
        parts=_parts(completion.get("scores") or {}, weights),
        text=text[:LONGEST_TEXT],
        cut=max(0, len(text) - LONGEST_TEXT),
    )


def _parts(scores: Mapping[str, Any], weights: Mapping[str, float]) -> tuple[Part, ...]:
    most = sum(abs(weight) for weight in weights.values()) or 1.0
    parts = []
    for place, (name, score) in enumerate(scores.items()):
        failed = str(score.get("error") or "") if isinstance(score, dict) else ""
        value = float(score) if is_number(score) else 0.0
        width = 100 * max(0.0, min(1.0, value * weights.get(name, 0.0) / most))
        parts.append(
            Part(rule_label(name), "–" if failed else figure(value), width, place % RULE_COLOURS, failed[:200])
        )
    return tuple(parts)


def rule_label(name: str) -> Phrase:
    """How a rule is called: a ready-made one by its label in both languages, another by its name."""
    if name == "reward_model":
        return Phrase("report.reward_model")
    rule = RULES.get(name)
    return in_both(rule.label_en, rule.label_zh) if rule else plain(name)


def _figure(value: object) -> str:
    return figure(float(value)) if is_number(value) else "–"  # type: ignore[arg-type]
