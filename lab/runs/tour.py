"""The tour: the course's chain on the tiny model, stage by stage, through the same workers as any run; returns what each moved.

Not here: how it is printed (``lab/commands/tour.py``), and whether the numbers are good enough: they are reported as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from lab.core.recipes import Recipe, with_values
from lab.errors import StateError
from lab.runs.foreground import OnProgress, train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store

CHAIN = (("tiny/sft", None), ("tiny/grpo", "tiny/sft"), ("tiny/dpo", "tiny/sft"), ("tiny/rm", "tiny/sft"))
"""Presets in order, each with the stage whose model it starts from; None is the preset's own start."""


@dataclass(frozen=True)
class Stage:
    """What one run of the tour came to."""

    preset: str
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
    stages: Collection[str],
    samples: int,
    on_start: Callable[[Recipe], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Stage]:
    """Train the chain for each seed, and yield each stage as it ends. Raises LabError where a run does not finish."""
    for seed in seeds:
        models: dict[str, str] = {}
        for preset, start in CHAIN:
            if preset not in stages:
                continue
            changes: dict[str, Any] = {"seed": seed, "measure_samples": samples}
            if start in models:
                changes["model"] = f"run:{models[start]}"
            recipe = with_values(load_preset(preset).recipe, changes, source=preset)
            if on_start:
                on_start(recipe)
            started = time.monotonic()
            run = train_in_foreground(recipe, store, on_progress)
            if run.state is not RunState.FINISHED:
                raise StateError("tour_broken", run=run.id, preset=preset, state=str(run.state))
            models[preset] = run.id
            yield Stage(preset, seed, run.id, time.monotonic() - started, store.folder(run.id).result())
