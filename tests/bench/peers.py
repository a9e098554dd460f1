"""The lab's own speed beside stock trl's: the same model, rows and settings, a run of each in turn, the seconds of their steps.

The lab's step is that of ``metrics.jsonl``, its journal of groups and tokens included; trl's is the time between two logged steps of a plain
script (``stock_trl.py``). Both have all cores and no page beside them. On tiny, and on SmolLM2-135M where ``LAB_BENCH_HOME`` names a home that
has it. PPO, which trl has no more, is held against trl 1.12's (``stock_ppo.py``) where ``LAB_BENCH_TRL_PPO`` names the Python of an environment
that has it: seconds of a rollout with its updates, and memory above what the imported libraries take.
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
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState
from tests.bench import lab
from tests.bench.figures import Figure, median

ROUNDS = int(os.environ.get("LAB_BENCH_ROUNDS", "5"))
"""Runs of each."""
STEPS, WARM = int(os.environ.get("LAB_BENCH_STEPS", "24")), 4
"""Optimiser steps of a run, and how many of them warm up and do not count."""
ROLLOUTS, WARM_ROLLOUTS = max(3, STEPS // 3), 1
"""The same of PPO, whose rollouts have three updates each."""
ROWS = 512
TRL_PPO = os.environ.get("LAB_BENCH_TRL_PPO", "")
"""A Python that has trl 1.12."""
MB = 1 << 20

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
    "GRPO all": ("grpo", GRPO | {"threshold": {"kind": "all", "fraction": 1.0}}, 0.9),
    "GRPO above mean": ("grpo", GRPO | {"threshold": {"kind": "above_mean", "fraction": 1.0}}, 0.55),
}
"""Algorithm, changes of its preset, and the most that the lab's step may take of trl's."""
IN_FOUR_BITS = {"SFT in 4 bits": "SFT", "GRPO in 4 bits": "GRPO all"}
"""The same with weights in NF4: their memory is compared, too."""


def measure() -> list[Figure]:
    """For each case: a step of both, and their ratio with the spread of its rounds."""
    figures = []
    with _home() as home:
        for model in MODELS:
            if not is_there(model, home):
                print(f"\n{model} is not in {home}: set LAB_BENCH_HOME to a home that has it", file=sys.stderr)
                continue
            for name, (algorithm, changes, at_most) in CASES.items():
                if not chosen(name):
                    continue
                recipe = recipe_of(model, algorithm, changes)
                pairs = [(1000 * ours(recipe, home), 1000 * theirs(recipe, home)) for _ in range(ROUNDS)]
                figures += _beside(f"{model}, {name}: a step", "ms", pairs, at_most)
            if model != "tiny":
                figures += [figure for name in IN_FOUR_BITS if chosen(name) for figure in four_bits(model, name, home)]
            if TRL_PPO and chosen("PPO"):
                figures += ppo(model, home)
    return figures


def chosen(name: str) -> bool:
    """Whether ``LAB_BENCH_CASES`` (names parted by commas; all where it is empty) has this one."""
    names = [part.strip() for part in os.environ.get("LAB_BENCH_CASES", "").split(",") if part.strip()]
    return not names or name in names


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


def four_bits(model: str, name: str, home: Path) -> list[Figure]:
    """A step and the memory of a case with the base in NF4."""
    algorithm, changes, at_most = CASES[IN_FOUR_BITS[name]]
    recipe = recipe_of(model, algorithm, {**changes, "load_in_4bit": True})
    pairs = [(own_steps(recipe, home), stock(recipe, home, "stock_trl.py", sys.executable)) for _ in range(ROUNDS)]
    milliseconds = [tuple(1000 * median(each["seconds"][WARM:]) for each in pair) for pair in pairs]
    return [
        *_beside(f"{model}, {name}: a step", "ms", milliseconds, at_most),
        *_beside(f"{model}, {name}: memory above the libraries", "MB", _memory(pairs), 1.0),
    ]


def ppo(model: str, home: Path) -> list[Figure]:
    """The figures of PPO on a reward model: four roles on one base against trl's four models."""
    reward = finished(recipe_of(model, "rm", {"steps": 2, "warmup_steps": 0}), home)
    recipe = recipe_of(
        model,
        "ppo",
        {
            "iterations": 3,
            "steps": 3 * ROLLOUTS,
            "reward_model": f"run:{reward.id}",
            "rules_weight": 0.0,
        },
    )
    pairs = [(own_rollouts(recipe, home), stock(recipe, home, "stock_ppo.py", TRL_PPO)) for _ in range(ROUNDS)]
    seconds = [(median(one["seconds"]), median(other["seconds"][WARM_ROLLOUTS:])) for one, other in pairs]
    return [
        *_beside(f"{model}, PPO: a rollout with its three updates", "s", seconds, 0.5),
        *_beside(f"{model}, PPO: memory above the libraries", "MB", _memory(pairs), 0.48),
    ]


def _memory(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[tuple[float, ...]]:
    """The most that both sides took above the imported libraries."""
    return [tuple((each["peak_bytes"] - each["libraries_bytes"]) / MB for each in pair) for pair in pairs]


def _beside(title: str, unit: str, pairs: list[tuple[float, ...]], at_most: float) -> list[Figure]:
    """Both sides' medians, and the ratio with the spread of its rounds."""
    ratios = sorted(one / other for one, other in pairs)
    return [
        Figure(f"{title}, the lab's", median([one for one, _ in pairs]), unit),
        Figure(f"{title}, stock trl's", median([other for _, other in pairs]), unit),
        Figure(f"{title}, lab / trl", median(ratios), "", at_most),
        Figure(f"{title}, lab / trl, lowest of {ROUNDS}", ratios[0], ""),
        Figure(f"{title}, lab / trl, highest of {ROUNDS}", ratios[-1], ""),
    ]


def finished(recipe: Recipe, home: Path) -> Run:
    """The recipe's run, trained to its end."""
    with lab.store(home) as store:
        run = train_in_foreground(recipe, store)
        if run.state is not RunState.FINISHED:
            raise RuntimeError(f"the run did not finish: {store.folder(run.id).log().text[-2000:]}")
    return run


def steps_of(run: Run, home: Path) -> list[float]:
    """The seconds of each step of a run."""
    lines = RunFolder(home / "runs" / run.id).metrics().lines
    return [float(line["seconds"]) for line in lines if "held_out" not in line]


def own_steps(recipe: Recipe, home: Path) -> dict[str, Any]:
    """Of a run of the lab's: the seconds of its steps, and its memory."""
    run = finished(recipe, home)
    result = RunFolder(home / "runs" / run.id).result() or {}
    return {
        "seconds": steps_of(run, home),
        "peak_bytes": result["peak_memory_bytes"],
        "libraries_bytes": result["libraries_bytes"],
    }


def own_rollouts(recipe: Recipe, home: Path) -> dict[str, Any]:
    """The same with the seconds of its rollouts, each with its updates."""
    measured = own_steps(recipe, home)
    steps, size = measured["seconds"], recipe.iterations
    rollouts = [sum(steps[start : start + size]) for start in range(0, len(steps), size)]
    return {**measured, "seconds": rollouts[WARM_ROLLOUTS:]}


def ours(recipe: Recipe, home: Path) -> float:
    """The median seconds of a step of the lab's."""
    return median(steps_of(finished(recipe, home), home)[WARM:])


def theirs(recipe: Any, home: Path) -> float:
    """The same of a stock trl script with these settings."""
    return median(stock(recipe, home, "stock_trl.py", sys.executable)["seconds"][WARM:])


def stock(recipe: Any, home: Path, script: str, python: str) -> dict[str, Any]:
    """What a stock script measured of itself, with these settings."""
    folder = home / "stock"
    folder.mkdir(exist_ok=True)
    rows = [row_of(recipe, row) for row in load(recipe, home).train[:ROWS]]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    settings = recipe.model_dump(mode="json") | {
        "model": str(resolve(recipe.model, home).base),
        "micro_batch_size": recipe.rows_per_pass,
        "rollouts": ROLLOUTS,
        "rules": [use.name for use in recipe.rule_uses or ()],
        "rows": str(folder / "rows.jsonl"),
        "out": str(folder / "measured.json"),
        "folder": str(folder / "output"),
    }
    (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
    (folder / "measured.json").unlink(missing_ok=True)
    environment = worker_environment(home, os.environ, cores()) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [
            python,
            "-P",
            str(Path(__file__).parent / script),
            str(folder / "settings.json"),
        ],  # not this folder: lab.py is no package
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the stock script failed: {done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads((folder / "measured.json").read_text("utf-8"))
    return measured


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
