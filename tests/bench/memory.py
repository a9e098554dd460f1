"""How near the estimate of a run's memory is to what the run then takes: all five algorithms on SmolLM2-135M in NF4, on this CPU.

Measured is the worker's resident set at its peak, above what it held once its libraries were loaded. Needs the model, which it
fetches; takes minutes. ``LAB_BENCH_HOME`` names a home that has it already, ``LAB_BENCH_MODEL`` another model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe, with_values
from lab.runs.estimate import estimate
from lab.runs.fetch.downloads import get_model
from lab.runs.foreground import train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.tasks import equations
from tests.bench import lab
from tests.bench.figures import Figure

MODEL = os.environ.get("LAB_BENCH_MODEL", "smollm2-135m")
WITHIN = 15.0
MB = 1e6
TOGETHER = 3
"""Equations in one row, so that rows are long and of nearly the same length."""

SHORT: dict[str, Any] = {"steps": 2, "measure_samples": 0, "micro_batch_size": 2, "batch_size": 2, "device": "cpu"}
SAMPLED = {"group_size": 2, "max_completion_length": 24, "iterations": 2}
RECIPES: dict[str, dict[str, Any]] = {
    "sft": {},
    "rm": {},
    "dpo": {},
    "grpo": SAMPLED | {"skip_no_spread": False, "threshold": {"kind": "all", "fraction": 1.0}},
    "ppo": SAMPLED,
}
"""Two short steps of each; the second one has Adam's moments in place. A sampled batch serves both."""


def measure() -> list[Figure]:
    """How far each estimate is off, in percent of the measured peak."""
    figures = []
    print(f"\n{'algorithm':10} {'estimated':>12} {'measured':>12} {'ratio':>7}", file=sys.stderr)
    with _home() as home, lab.store(home) as store:
        get_model(MODEL, home)
        for algorithm, changes in RECIPES.items():
            recipe = recipe_of(algorithm, changes, home)
            guess = estimate(recipe, home).cost.peak
            real = measured_peak(recipe, store)
            print(
                f"{algorithm:10} {guess / MB:9.0f} MB {real / MB:9.0f} MB {guess / real:7.3f}",
                file=sys.stderr,
                flush=True,
            )
            figures += [
                Figure(f"{algorithm}: measured peak above the libraries", real / MB, "MB"),
                Figure(f"{algorithm}: estimated", guess / MB, "MB"),
                Figure(f"{algorithm}: the estimate is off by", 100 * abs(guess / real - 1), "%", WITHIN),
            ]
    return figures


def recipe_of(algorithm: str, changes: dict[str, Any], home: Path) -> Recipe:
    """The model's preset, shortened, on rows of nearly one length."""
    preset = load_preset(f"smollm2-135m/{algorithm}").recipe
    rows = home / f"{algorithm}.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in rows_of(algorithm)), "utf-8")
    return with_values(preset, {**SHORT, "model": MODEL, "dataset": str(rows), **changes})


def measured_peak(recipe: Recipe, store: Store) -> int:
    """Run it in a worker, as any run; the most that it held above its libraries."""
    run = train_in_foreground(recipe, store)
    folder = store.folder(run.id)
    result = folder.result() or {}
    if run.state is not RunState.FINISHED:
        raise RuntimeError(f"the run did not finish: {folder.log().text[-2000:]}")
    return int(result["peak_memory_bytes"]) - int(result["libraries_bytes"])


def rows_of(algorithm: str) -> Iterator[dict[str, str]]:
    """Sixty rows of nearly one length, in the form that the algorithm reads."""
    made = equations.preferences(equations.Split.TRAIN, 1, 60 * TOGETHER)
    for first in range(0, len(made), TOGETHER):
        some = made[first : first + TOGETHER]
        prompt = " ".join(row["prompt"] for row in some)
        if algorithm in ("rm", "dpo"):
            yield {"prompt": prompt} | {side: "\n".join(row[side] for row in some) for side in ("chosen", "rejected")}
        else:
            yield {"prompt": prompt, "completion": "\n".join(row["chosen"] for row in some), "answer": "0"}


@contextmanager
def _home() -> Iterator[Path]:
    if kept := os.environ.get("LAB_BENCH_HOME"):
        yield Path(kept)
    else:
        with lab.home() as home:
            home.mkdir(parents=True, exist_ok=True)
            yield home
