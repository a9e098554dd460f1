"""The lab's own speed beside stock trl's: the same model, rows and settings, a run of each in turn, the seconds of their steps.

The lab's step is that of ``metrics.jsonl``, its journal of groups and tokens included; trl's is the time between two logged steps of a plain
script (``stock_trl.py``). Both have all cores and no page beside them. On tiny, and on SmolLM2-135M where ``LAB_BENCH_HOME`` names a home that
has it. Not here: PPO, which trl has no more; trl 1.12's four models would need an environment of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe, with_values
from lab.data.datasets import load
from lab.data.turns import as_conversation
from lab.errors import LabError
from lab.runs.foreground import train_in_foreground
from lab.runs.launcher import ROOT, cores, worker_environment
from lab.store.models import resolve
from lab.store.presets import load_preset
from lab.store.runs import RunState
from tests.bench import lab
from tests.bench.figures import Figure, median

ROUNDS = int(os.environ.get("LAB_BENCH_ROUNDS", "5"))
"""Runs of each."""
STEPS, WARM = int(os.environ.get("LAB_BENCH_STEPS", "24")), 4
"""Optimiser steps of a run, and how many of them warm up and do not count."""
ROWS = 512

ALONE: dict[str, Any] = {
    "measure_samples": 0,
    "measure_every": 0,
    "save_every": 100_000,
    "device": "cpu",
    "schedule": "linear",
}
GRPO: dict[str, Any] = {"iterations": 1, "beta": 0.0, "skip_no_spread": False}
CASES: dict[str, tuple[str, dict[str, Any], float]] = {
    "SFT": ("sft", {}, 1.0),
    "RM": ("rm", {"warmup_steps": 0}, 1.0),
    "DPO": ("dpo", {}, 1.0),
    "GRPO, all": ("grpo", GRPO | {"threshold": {"kind": "all", "fraction": 1.0}}, 0.9),
    "GRPO above mean": ("grpo", GRPO | {"threshold": {"kind": "above_mean", "fraction": 1.0}}, 0.55),
}
"""Algorithm, changes of its preset, and the most that the lab's step may take of trl's."""


def measure() -> list[Figure]:
    """For each case: a step of both, and their ratio with the spread of its rounds."""
    figures = []
    with _home() as home:
        for model in MODELS:
            if not is_there(model, home):
                print(f"\n{model} is not in {home}: set LAB_BENCH_HOME to a home that has it", file=sys.stderr)
                continue
            for name, (algorithm, changes, at_most) in CASES.items():
                recipe = recipe_of(model, algorithm, changes)
                pairs = [(ours(recipe, home), theirs(recipe, home)) for _ in range(ROUNDS)]
                ratios = sorted(one / other for one, other in pairs)
                title = f"{model}, {name}"
                figures += [
                    Figure(f"{title}: a step of the lab", 1000 * median([one for one, _ in pairs]), "ms"),
                    Figure(f"{title}: a step of stock trl", 1000 * median([other for _, other in pairs]), "ms"),
                    Figure(f"{title}: lab / trl", median(ratios), "", at_most),
                    Figure(f"{title}: lab / trl, lowest of {ROUNDS}", ratios[0], ""),
                    Figure(f"{title}: lab / trl, highest of {ROUNDS}", ratios[-1], ""),
                ]
    return figures


MODELS = ("tiny", "smollm2-135m")


def is_there(model: str, home: Path) -> bool:
    """Whether a model can be started from."""
    try:
        resolve(model, home)
    except LabError:
        return False
    return True


def recipe_of(model: str, algorithm: str, changes: dict[str, Any]) -> Recipe:
    """The model's preset, shortened; on SmolLM2 without four bits, which stock scripts do not have on a CPU."""
    preset = load_preset(f"{model}/{algorithm}").recipe
    plain = {"precision": "fp32"} | ({"load_in_4bit": False} if "load_in_4bit" in dict(preset) else {})
    return with_values(preset, {**ALONE, **plain, "steps": STEPS, "dataset": "equations", **changes})


def ours(recipe: Recipe, home: Path) -> float:
    """The median seconds of a step of the lab's."""
    with lab.store(home) as store:
        run = train_in_foreground(recipe, store)
        folder = store.folder(run.id)
        if run.state is not RunState.FINISHED:
            raise RuntimeError(f"the run did not finish: {folder.log().text[-2000:]}")
        lines = [line for line in folder.metrics().lines if "held_out" not in line]
    return median([float(line["seconds"]) for line in lines[WARM:]])


def theirs(recipe: Any, home: Path) -> float:
    """The same of a stock trl script with these settings."""
    folder = home / "stock"
    folder.mkdir(exist_ok=True)
    rows = [row_of(recipe, row) for row in load(recipe, home).train[:ROWS]]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    settings = recipe.model_dump(mode="json") | {
        "model": str(resolve(recipe.model, home).base),
        "micro_batch_size": recipe.rows_per_pass,
        "rules": [use.name for use in recipe.rule_uses or ()],
        "rows": str(folder / "rows.jsonl"),
        "out": str(folder / "seconds.json"),
        "folder": str(folder / "output"),
    }
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    (folder / "seconds.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.bench.stock_trl", str(folder / "settings.json")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=worker_environment(home, os.environ, cores()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the stock script failed: {done.stderr[-2000:]}")
    return median(json.loads((folder / "seconds.json").read_text("utf-8"))[WARM:])


def row_of(recipe: Recipe, row: dict[str, Any]) -> dict[str, Any]:
    """A row as trl reads conversations."""
    answers = {
        name: [{"role": "assistant", "content": row[name]}]
        for name in ("completion", "chosen", "rejected")
        if name in row
    }
    asked = {"prompt": as_conversation(row["prompt"])}
    return asked | answers | ({"answer": row["answer"]} if recipe.algorithm == "grpo" else {})


@contextmanager
def _home() -> Iterator[Path]:
    if kept := os.environ.get("LAB_BENCH_HOME"):
        yield Path(kept)
        return
    with lab.home() as home:
        home.mkdir(parents=True, exist_ok=True)
        yield home
