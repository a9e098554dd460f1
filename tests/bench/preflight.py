"""The pre-flight's forecast: the share of groups without spread that it foretells, and what the run then sees in its first steps.

Both through the real worker, from the same recipe: first the pre-flight, then runs, whose groups are counted. The forecast is of the
model as it starts, and one rollout has few groups, so it is held against the first rollouts of RUNS runs that differ in their seeds.
What the first of them sees in STEPS optimiser steps, while it learns, stands beside; and what the pre-flight's first FEW prompts
alone would have said, since few prompts make a rough forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.core.groups import NO_SPREAD
from lab.core.jobs import preflight_of
from lab.core.recipes import Recipe, with_values
from lab.runs.foreground import train_in_foreground, work_in_foreground
from lab.store.jobs import JobStore
from lab.store.presets import load_preset
from lab.store.runs import Store
from tests.bench import lab
from tests.bench.figures import Figure

STEPS, RUNS, PROMPTS, FEW = 16, 16, 128, 32

STEPS_SHOWN = """
def reward(prompt, completion, answer):
    return 1.0 if "→" in completion and completion.endswith("= " + answer) else 0.0
"""

RIGHT: Mapping[str, Any] = {"rules": [{"name": "equals_answer"}]}
SHOWN: Mapping[str, Any] = {"rules": [{"name": "steps_shown", "source": STEPS_SHOWN}]}
FOUR: Mapping[str, Any] = {"group_size": 4, "batch_size": 32}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "tiny/grpo as it is, K = 8": {},
    "right or wrong alone, K = 4": {**RIGHT, **FOUR},
    "right with a step shown, K = 4": {**SHOWN, **FOUR},
}
"""The preset, and what makes its groups alike: fewer rules, smaller groups, a rule that is seldom met."""


def measure() -> list[Figure]:
    """For each recipe: foretold, seen, and how far apart."""
    figures = []
    with lab.home() as home:
        for name, changes in RECIPES.items():
            recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": STEPS, "measure_samples": 0, **changes})
            roughly, foretold = _foretell(recipe, home)
            learning = _see(recipe, home)
            first = {"steps": recipe.iterations}
            starts = [_see(with_values(recipe, {**first, "seed": seed}), home) for seed in range(1, RUNS + 1)]
            seen = sum(starts) / RUNS  # all have the same number of groups
            figures += [
                Figure(f"{name}: without spread, foretold by {FEW} groups", 100 * roughly, "%"),
                Figure(f"{name}: without spread, foretold by {PROMPTS} groups", 100 * foretold, "%"),
                Figure(f"{name}: without spread, seen in {STEPS} steps, while it learns", 100 * learning, "%"),
                Figure(f"{name}: without spread, seen in the first rollouts of {RUNS} runs", 100 * seen, "%"),
                Figure(f"{name}: apart", 100 * abs(foretold - seen), "points", 10),
            ]
    return figures


def _foretell(recipe: Recipe, home: Path) -> tuple[float, float]:
    """The share by the first FEW prompts, and by all."""
    with lab.store(home) as store:
        job = work_in_foreground(preflight_of(recipe, PROMPTS), store)
    if job.result is None or "report" not in job.result:
        raise RuntimeError(f"the pre-flight did not finish: {job.error}")
    rewards: dict[int, set[float]] = {}
    for line in JobStore(home).folder(job.id).lines().lines:
        rewards.setdefault(line["prompt_number"], set()).add(line["reward"])
    alike = [len(rewards[number]) == 1 for number in range(FEW)]
    return sum(alike) / FEW, float(job.result["report"]["no_spread"]["share"])


def _see(recipe: Recipe, home: Path) -> float:
    with lab.store(home) as store:
        return share_without_spread(store, train_in_foreground(recipe, store).id)


def share_without_spread(store: Store, run_id: str) -> float:
    """Of all the groups that a run has written."""
    groups = store.folder(run_id).group_lines(1, 1_000_000)
    if not groups:
        raise RuntimeError(f"the run wrote no groups: {store.run(run_id).error}")
    return sum(group["std"] < NO_SPREAD for group in groups) / len(groups)
