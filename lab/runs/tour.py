"""The tour: the course's chain on the tiny model, stage by stage, through the same workers as any run; returns what each moved.

Not here: how it is printed (``lab/commands/tour.py``), and whether the numbers are good enough: they are reported as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.core.recipes import MeasuredOn, Recipe, with_values
from lab.errors import StateError
from lab.runs.foreground import OnProgress, train_in_foreground
from lab.runs.progress import summary
from lab.store.presets import load_preset
from lab.store.runs import Run, RunState, Store


@dataclass(frozen=True)
class Leg:
    """One run of the tour: a preset, the fields that name an earlier leg's model, and what else is set."""

    name: str
    preset: str
    starts: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)
    aside: bool = False
    """Not part of the course: run only when asked for."""


ON_MODEL_ALONE: Mapping[str, Any] = {"rules_weight": 0.0, "kl_coefficient": 0.3, "steps": 80}
"""A reward model's scores reach further than rules do, so it takes a larger KL weight to keep the policy near its start."""

CHAIN = (
    Leg("pretrain", "tiny/pretrain", aside=True),
    Leg("sft", "tiny/sft"),
    Leg("rm", "tiny/rm", {"model": "sft"}),
    Leg("dpo", "tiny/dpo", {"model": "sft"}),
    Leg("ppo", "tiny/ppo", {"model": "sft", "reward_model": "rm"}, ON_MODEL_ALONE),
    Leg("grpo", "tiny/grpo", {"model": "sft"}),
    Leg("ppo-rules", "tiny/ppo", {"model": "sft"}, aside=True),
    Leg("rm-format", "tiny/rm-format", {"model": "sft"}, aside=True),
    Leg("ppo-hacked", "tiny/ppo", {"model": "sft", "reward_model": "rm-format"}, {"rules_weight": 0.0}, aside=True),
)
"""The course in order: PPO learns from the reward model alone. Aside: the live pretraining from nothing, which no
other leg starts from; PPO on rules alone; and a reward model that learned the format
only, with the PPO that hacks it."""


class TourStopped(StateError):
    """A run of the tour was stopped, by Ctrl-C or from elsewhere; it can be resumed."""

    def __init__(self, run: Run, store: Store) -> None:
        super().__init__("tour_stopped", run=run.id, step=summary(run, store)["step"], home=store.home)


@dataclass(frozen=True)
class Stage:
    """What one run of the tour came to."""

    leg: str
    seed: int
    run_id: str
    seconds: float
    """Wall time, the worker's start and its measurements included."""
    bases: int
    """Models loaded."""
    roles: tuple[str, ...]
    """What stands on them."""
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
    split: MeasuredOn = MeasuredOn.HELD_OUT,
    on_start: Callable[[Leg, Recipe], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Stage]:
    """Train the chain for each seed, and yield each stage as it ends.

    Every run is measured on ``split``. Raises TourStopped where a run is stopped, another LabError where one does not finish.
    """
    for seed in seeds:
        models: dict[str, str] = {}
        for leg in CHAIN:
            if leg.name not in legs:
                continue
            changes = {"seed": seed, "measure_samples": samples, "measure_on": split} | dict(leg.also)
            changes |= {name: f"run:{models[start]}" for name, start in leg.starts.items() if start in models}
            recipe = with_values(load_preset(leg.preset).recipe, changes, source=leg.preset)
            if on_start:
                on_start(leg, recipe)
            started = time.monotonic()
            run = train_in_foreground(recipe, store, on_progress)
            if run.state is RunState.STOPPED:
                raise TourStopped(run, store)
            if run.state is not RunState.FINISHED:
                raise StateError("tour_broken", run=run.id, preset=leg.preset, state=str(run.state), home=store.home)
            models[leg.name] = run.id
            seconds = time.monotonic() - started
            yield Stage(
                leg.name, seed, run.id, seconds, recipe.bases_in_memory, recipe.roles, store.folder(run.id).result()
            )
