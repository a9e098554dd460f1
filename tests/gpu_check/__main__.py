"""``make gpu-check``: memory and speed on a GPU, on a model of random weights: PPO's roles counted, estimates against what runs took,
and where vLLM is installed rollouts by it, for speed and drift.

Every run goes through the lab's own worker. ``--device cpu --shape small`` tries the same code without a GPU; its figures mean
nothing. Exit status 1 where there is no CUDA, where a run fails, where an estimate is further off than it may be, or where a base drifts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lab.core.recipes import Recipe, with_values
from lab.runs.estimate import estimate
from lab.runs.foreground import train_in_foreground
from lab.store.models import SHIPPED
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from tests.bench.memory import rows_of
from tests.gpu_check.roles import SHAPES, count, rows_of_table
from tests.gpu_check.rollouts import check_rollouts

WITHIN = {"cuda": 0.10, "cpu": 0.15}
ROLE_BOUNDS = {"smollm2-135m": (1.5, 0.48), "qwen2.5-1.5b": (1.25, 0.40)}
"""PPO's four roles: at most this share of GRPO's policy, and of four copies."""
SHORT: dict[str, Any] = {"measure_samples": 0, "batch_size": 8, "micro_batch_size": 4, "max_length": 512}
SAMPLED: dict[str, Any] = {"batch_size": 16, "group_size": 4, "max_completion_length": 128, "iterations": 1}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "sft": {},
    "rm": {},
    "dpo": {},
    "grpo": SAMPLED | {"skip_no_spread": False, "threshold": {"kind": "all", "fraction": 1.0}},
    "ppo": SAMPLED,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, run, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="qwen2.5-0.5b", help="of the model that is trained")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--only", choices=sorted(ALGORITHMS), action="append", help="run only these algorithms")
    parser.add_argument("--roles", choices=sorted(SHAPES), action="append", help="shapes to count PPO's roles of")
    parser.add_argument("--no-runs", action="store_true", help="count the roles and run nothing")
    parser.add_argument(
        "--rollouts", action="store_true", help="only compare rollouts by vLLM with those by transformers"
    )
    chosen = parser.parse_args(arguments)
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print(
            "gpu-check needs a CUDA GPU, and torch finds none here. On a machine that has one, install torch with CUDA and "
            "run it again; `make gpu-check ARGS='--device cpu --shape small'` only tries the code.",
            file=sys.stderr,
        )
        return 1
    print(_machine(chosen.device), flush=True)
    if chosen.rollouts:
        return int(not _rollouts(chosen))
    good = True
    for shape in chosen.roles or (tuple(ROLE_BOUNDS) if chosen.device == "cuda" else (chosen.shape,)):
        good &= _count(shape, torch.device(chosen.device))
    if not chosen.no_runs:
        good &= _runs(chosen)
        good &= _rollouts(chosen)
    return int(not good)


def _machine(device: str) -> str:
    if device == "cpu":
        return "device: cpu (a trial of the code)"
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name()
    return f"device: {name}, {total / 1e9:.1f} GB ({free / 1e9:.1f} free), torch {torch.__version__}, CUDA {torch.version.cuda}"


def _count(shape: str, device: torch.device) -> bool:
    roled = count(shape, device)
    print("\n".join(rows_of_table(shape, roled)), flush=True)
    most_grpo, most_four = ROLE_BOUNDS.get(shape, (float("inf"), float("inf")))
    return roled.ppo.total <= most_grpo * roled.grpo.total and roled.ppo.total <= most_four * roled.four.total


def _runs(chosen: argparse.Namespace) -> bool:
    good = True
    with tempfile.TemporaryDirectory(prefix="lab-gpu-check-") as away:
        home = Path(away)
        model = _model(chosen.shape, home)
        store = Store(home, allow_unsafe_disk=True)
        head = ("algorithm", "estimated", "measured", "ratio", "tokens/s", "s/step")
        print("{:10} {:>10} {:>10} {:>6} {:>9} {:>7}".format(*head), flush=True)
        for algorithm in chosen.only or ALGORITHMS:
            recipe = _recipe(algorithm, model, home, chosen)
            good &= _run(recipe, store, WITHIN[chosen.device])
        store.close()
    return good


def _rollouts(chosen: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="lab-gpu-check-") as away:
        store = Store(Path(away), allow_unsafe_disk=True)
        # vLLM has no attention on CPUs for heads as narrow as the small shape's
        model = _model(chosen.shape, store.home) if chosen.device == "cuda" else SHIPPED["tiny"]
        good = check_rollouts(model, store, chosen.device, chosen.steps)
        store.close()
    return good


def _run(recipe: Recipe, store: Store, within: float) -> bool:
    guess = estimate(recipe, store.home).cost.peak
    run = train_in_foreground(recipe, store)
    folder = store.folder(run.id)
    if run.state is not RunState.FINISHED:
        print(f"{recipe.algorithm}: the run is {run.state}\n{folder.log().text[-3000:]}", file=sys.stderr)
        return False
    result = folder.result() or {}
    real = int(result["peak_memory_bytes"]) - int(result["libraries_bytes"])
    lines = [line for line in folder.metrics().lines if "held_out" not in line][1:]  # the first step also warms up
    seconds = median(line["seconds"] for line in lines)
    speed = median(line["tokens_per_second"] or 0.0 for line in lines)
    print(
        f"{recipe.algorithm:10} {guess / 1e6:7.0f} MB {real / 1e6:7.0f} MB {guess / real:6.3f} {speed:9.0f} {seconds:7.2f}",
        flush=True,
    )
    return abs(guess / real - 1) <= within


def _recipe(algorithm: str, model: Path, home: Path, chosen: argparse.Namespace) -> Recipe:
    rows = home / f"{algorithm}.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in rows_of(algorithm)), "utf-8")
    short = {name: value for name, value in SHORT.items() if algorithm not in ("grpo", "ppo") or name != "max_length"}
    changes = {"model": str(model), "dataset": str(rows), "device": chosen.device, "steps": chosen.steps}
    return with_values(load_preset(f"smollm2-135m/{algorithm}").recipe, {**short, **changes, **ALGORITHMS[algorithm]})


def _model(shape: str, home: Path) -> Path:
    """A model of that shape with random weights, on disk as any other; the lab's own tokenizer goes with it."""
    folder = home / "random" / shape
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[shape]), dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for file in SHIPPED["tiny"].glob("*token*"):
        shutil.copy(file, folder)
    for file in SHIPPED["tiny"].glob("*.jinja"):
        shutil.copy(file, folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
