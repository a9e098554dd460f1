"""``make real``: the chain on SmolLM2-135M-Instruct in NF4, on GSM8K, a few real optimiser steps an algorithm, on any CPU.

SFT → DPO, GRPO and PPO from it; a reward model on the base, which PPO then uses. Each goes through the same worker as any run, and
each adapter is loaded by ``plain.py`` without the lab. Exit status 1 where something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.core.recipes import with_values
from lab.rules import RULES
from lab.runs.fetch.downloads import get_model
from lab.runs.foreground import train_in_foreground
from lab.runs.launcher import cores
from lab.store.presets import load_preset
from lab.store.runs import Run, RunState, Store
from tests.real import laptop
from tests.real.rows import NEEDED, Problem, read_problems, strictly_right, write_rows

MODEL = "smollm2-135m"
LEAST_STEPS = 3
TRAINED_ON = 120
"""Problems; one in ten of them is held out by the lab itself."""


@dataclass(frozen=True)
class Leg:
    """One run: its preset, its rows, the earlier legs that it starts from, and what keeps it short on a CPU."""

    algorithm: str
    rows: str
    steps: int
    starts: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)
    loss: tuple[float, float] = (-1.0, 5.0)
    """Between what the first step's loss is sane."""


FROM_SFT = {"model": "sft"}
SHORT = {"max_completion_length": 96, "measure_samples": 8}
CHAIN = (
    Leg("sft", "demonstrations", 8, also={"measure_samples": 0}, loss=(0.3, 4.0)),
    Leg("rm", "preferences", 8, also={"measure_samples": 12}, loss=(0.2, 2.0)),
    Leg("dpo", "preferences", 4, FROM_SFT, {"measure_samples": 0}, loss=(0.68, 0.71)),  # log 2 where policy = reference
    Leg("grpo", "problems", 3, FROM_SFT, {**SHORT, "batch_size": 8}),
    Leg("ppo", "problems", 3, FROM_SFT | {"reward_model": "rm"}, {**SHORT, "batch_size": 4}),
)
"""In order; one line adds an algorithm."""


@dataclass
class Done:
    """What one leg came to, and what is wrong with it."""

    leg: Leg
    run: Run
    seconds: float
    lines: list[dict[str, Any]]
    result: dict[str, Any]
    wrong: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chain, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.real", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help=f"a folder with {', '.join(NEEDED)}")
    parser.add_argument("--home", type=Path, help="keep model and runs there (default: a home that is thrown away)")
    parser.add_argument("--samples", type=int, default=32, help="test problems that accuracy is counted on (32)")
    parser.add_argument(
        "--laptop", action="store_true", help="the preset smollm2-135m/grpo-laptop on three seeds instead"
    )
    chosen = parser.parse_args(arguments)
    if chosen.laptop:
        with tempfile.TemporaryDirectory(prefix="lab-real-") as away:
            return laptop.main((chosen.home or Path(away)).absolute())
    missing = [name for name in NEEDED if not (chosen.data / name).is_file()]
    if missing:
        print(
            f"{chosen.data} has no {', '.join(missing)}. Name a folder that has: make real DATA=folder", file=sys.stderr
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="lab-real-") as away:
        return _run((chosen.home or Path(away)).absolute(), chosen.data, chosen.samples)


def _run(home: Path, data: Path, samples: int) -> int:
    store = Store(home)
    started = time.monotonic()
    base = get_model(MODEL, home)
    fetched = time.monotonic() - started
    problems = read_problems(data / NEEDED[0])[:TRAINED_ON]
    test = read_problems(data / NEEDED[1])[:samples]
    (rows_folder := home / "rows").mkdir(exist_ok=True)
    rows = write_rows(problems, rows_folder)
    texts = {"start": _plain("base", base, [{"prompt": one.prompt} for one in test], home)}
    done: dict[str, Done] = {}
    for leg in CHAIN:
        _say(f"{leg.algorithm}: {leg.steps} steps")
        done[leg.algorithm] = one = _train(leg, store, rows, {name: was.run.id for name, was in done.items()})
        if one.run.state is not RunState.FINISHED:
            break
        _say(f"{leg.algorithm}: its adapter without the lab")
        _check_adapter(one, store, test, texts, home)
    _print(done, texts, test, fetched, time.monotonic() - started)
    return int(len(done) < len(CHAIN) or any(one.wrong for one in done.values()))


def _train(leg: Leg, store: Store, rows: Mapping[str, Path], runs: Mapping[str, str]) -> Done:
    changes = {"model": MODEL, "dataset": str(rows[leg.rows]), "steps": leg.steps, "device": "cpu", **leg.also}
    changes |= {name: f"run:{runs[start]}" for name, start in leg.starts.items()}
    recipe = with_values(load_preset(f"{MODEL}/{leg.algorithm}").recipe, changes)
    started = time.monotonic()
    run = train_in_foreground(recipe, store)
    seconds = time.monotonic() - started
    folder = store.folder(run.id)
    lines = [line for line in folder.metrics().lines if "held_out" not in line]
    done = Done(leg, run, seconds, lines, folder.result() or {})
    done.wrong = _wrong(done)
    if run.state is not RunState.FINISHED:
        print(folder.log().text[-3000:], file=sys.stderr)
    return done


def _wrong(done: Done) -> list[str]:
    """What is not as it should be with a run's steps and losses."""
    if done.run.state is not RunState.FINISHED:
        return [f"the run is {done.run.state}"]
    losses = [line.get("loss") for line in done.lines if line.get("optimizer_step", 1)]
    finite = [loss for loss in losses if isinstance(loss, float) and math.isfinite(loss)]
    least, most = done.leg.loss
    wrong = []
    if len(finite) < LEAST_STEPS:
        wrong.append(f"{len(finite)} optimiser steps with a finite loss")
    if finite and not least <= finite[0] <= most:
        wrong.append(f"the first loss is {finite[0]:.3f}, not within {least} and {most}")
    if any(not line.get("grad_norm") for line in done.lines if line.get("optimizer_step", 1)):
        wrong.append("a step without a gradient")
    return wrong


def _check_adapter(done: Done, store: Store, test: list[Problem], texts: dict[str, list[str]], home: Path) -> None:
    folder = store.folder(done.run.id).model_path
    name = done.leg.algorithm
    try:
        if name == "rm":
            pairs = [json.loads(line) for line in (home / "rows" / "preferences.jsonl").read_text("utf-8").splitlines()]
            scores = _plain("reward", folder, pairs[:8], home)
            if not all(math.isfinite(score) for pair in scores for score in pair):
                done.wrong.append("a score that is not finite")
        else:
            texts[name] = _plain("policy", folder, [{"prompt": one.prompt} for one in test], home)
    except subprocess.CalledProcessError as error:
        done.wrong.append(f"the adapter does not load: {error.stderr.strip().splitlines()[-1]}")


def _plain(kind: str, folder: Path, rows: list[dict[str, str]], home: Path) -> Any:
    """What ``plain.py`` finds, in a process with neither the lab's folder nor its environment."""
    asked, answered = home / "asked.json", home / "answered.json"
    asked.write_text(json.dumps(rows), "utf-8")
    script = Path(__file__).with_name("plain.py")
    command = [sys.executable, "-I", str(script), str(asked), str(answered), kind, str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTHON"))}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(max(1, cores() - 1))}  # as a worker has it
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True, text=True)
    return json.loads(answered.read_text("utf-8"))


def _print(
    done: dict[str, Done], texts: dict[str, list[str]], test: list[Problem], fetched: float, total: float
) -> None:
    memory = psutil.virtual_memory().total / 2**30
    print(
        f"{cores()} cores, {memory:.0f} GiB memory, Python {sys.version_info.major}.{sys.version_info.minor}, no GPU used;",
        end=" ",
    )
    print(f"{MODEL} in NF4; fetched and converted in {fetched:.0f} s, all in {total:.0f} s.\n")
    print(
        "| algorithm | starts from | steps taken | seconds | a step | peak memory | loss, first → last | adapter without the lab |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, one in done.items():
        print(f"| {name} | {' and '.join(one.leg.starts.values()) or MODEL} | {_row(one)} |")
    print("\n| policy | strict (format and answer) | lenient (answer) | test problems |")
    print("|---|---|---|---|")
    for name, written in texts.items():
        strict = sum(strictly_right(text, one.number) for text, one in zip(written, test, strict=True)) / len(test)
        equals = RULES["equals_answer"].function
        lenient = sum(equals(one.prompt, text, one.number) for text, one in zip(written, test, strict=True)) / len(test)
        print(f"| {name} | {strict:.3f} | {lenient:.3f} | {len(test)} |")
    if rm := done.get("rm"):
        measured = {name: value for name, value in (rm.result.get("after") or {}).items() if isinstance(value, float)}
        print(f"\nReward model, held out: {', '.join(f'{name} {value:.2f}' for name, value in measured.items())}.")
    for name, one in done.items():
        for what in one.wrong:
            print(f"\nWRONG: {name}: {what}")


def _row(one: Done) -> str:
    taken = [line for line in one.lines if line.get("optimizer_step", 1)]
    losses = [f"{line['loss']:.4f}" if isinstance(line.get("loss"), float) else "–" for line in taken] or ["–"]
    step = sum(line["seconds"] for line in one.lines) / max(1, len(one.lines))
    peak = (one.result.get("peak_memory_bytes") or 0) / 1e6
    verdict = "no" if any("adapter" in what for what in one.wrong) else "loads"
    parts = [
        len(taken),
        f"{one.seconds:.0f}",
        f"{step:.1f} s",
        f"{peak:,.0f} MB",
        f"{losses[0]} → {losses[-1]}",
        verdict,
    ]
    return " | ".join(str(part) for part in parts)


def _say(what: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
