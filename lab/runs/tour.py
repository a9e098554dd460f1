"""The tour: the course's chain on the tiny model, stage by stage, through the same workers as any run; returns what each moved.

Not here: how it is printed (``lab/commands/tour.py``), and whether the numbers are good enough: they are reported as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.core.recipes import Recipe, with_values
from lab.errors import StateError
from lab.runs.foreground import OnProgress, train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store


@dataclass(frozen=True)
class Leg:
    """One run of the tour: a preset, the fields that name an earlier leg's model, and what else is set."""

    name: str
    preset: str
    starts: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)


CHAIN = (
    Leg("sft", "tiny/sft"),
    Leg("rm", "tiny/rm", {"model": "sft"}),
    Leg("dpo", "tiny/dpo", {"model": "sft"}),
    Leg("ppo", "tiny/ppo", {"model": "sft"}),
    Leg("ppo-rm", "tiny/ppo", {"model": "sft", "reward_model": "rm"}, {"rules_weight": 0.0}),
    Leg("grpo", "tiny/grpo", {"model": "sft"}),
)
"""The course in order; ``ppo-rm`` is PPO on the reward model alone."""


@dataclass(frozen=True)
class Stage:
    """What one run of the tour came to."""

    leg: str
    seed: int
    run_id: str
    seconds: float
    """Wall time, the worker's start and its measurements included."""
    result: dict[str, Any]
    """The run's result.json."""

    def measured(self, when: str, name: str) -> float | None:
        """A held-out number of ``before`` or ``after``; None where the algorithm has no such number."""
        return (self.result[when] or {}).get(name)

    @property
    def gain(self) -> float | None:
        """Held-out pass@1 after minus before; None for a reward model."""
        before, after = self.measured("before", "pass_at_1"), self.measured("after", "pass_at_1")
        return None if before is None or after is None else after - before


def tour(
    store: Store,
    seeds: list[int],
    *,
    legs: Collection[str],
    samples: int,
    on_start: Callable[[Leg, Recipe], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Stage]:
    """Train the chain for each seed, and yield each stage as it ends. Raises LabError where a run does not finish."""
    for seed in seeds:
        models: dict[str, str] = {}
        for leg in CHAIN:
            if leg.name not in legs:
                continue
            changes = {"seed": seed, "measure_samples": samples} | dict(leg.also)
            changes |= {name: f"run:{models[start]}" for name, start in leg.starts.items() if start in models}
            recipe = with_values(load_preset(leg.preset).recipe, changes, source=leg.preset)
            if on_start:
                on_start(leg, recipe)
            started = time.monotonic()
            run = train_in_foreground(recipe, store, on_progress)
            if run.state is not RunState.FINISHED:
                raise StateError("tour_broken", run=run.id, preset=leg.preset, state=str(run.state))
            models[leg.name] = run.id
            yield Stage(leg.name, seed, run.id, time.monotonic() - started, store.folder(run.id).result())
