"""``python -m tests.real.leaving``: SmolLM2-135M-Instruct, trained a few steps by SFT, DPO, PPO and GRPO as LoRA, LoRA on NF4 and in full, leaves the lab.

Each run goes through the same worker as any. ``out`` and ``out --merge`` end only where the model, loaded without the lab, writes the lab's
greedy text exactly. Prints a table; exit status 1 where one did not. Every part can be left out, since all of it takes long on a CPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.core.out_jobs import OutSpec
from lab.core.recipes import with_values
from lab.runs.fetch.downloads import get_model
from lab.runs.foreground import train_in_foreground, work_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store

MODEL = "smollm2-135m"
SHORT = {"dataset": "equations", "steps": 2, "measure_samples": 4, "device": "cpu"}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "sft": {"batch_size": 4},
    "dpo": {"batch_size": 2},
    "grpo": {"batch_size": 4, "group_size": 4, "max_completion_length": 24},
    "ppo": {"batch_size": 4, "max_completion_length": 24, "reward_model": "", "rules_weight": 1.0},
}
TRAININGS: dict[str, dict[str, Any]] = {
    "lora": {"training": "lora", "load_in_4bit": False},
    "nf4": {"training": "lora", "load_in_4bit": True},
    "full": {"training": "full", "load_in_4bit": False},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, write out, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.leaving", description=__doc__)
    parser.add_argument("--home", type=Path, help="keep model and runs there (default: a home that is thrown away)")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--trainings", nargs="+", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--gguf", default="", help="with each merge, a GGUF file of this kind")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lab-leaving-") as away:
        store = Store((chosen.home or Path(away)).absolute())
        get_model(MODEL, store.home)
        print("| algorithm | training | form | same greedy texts | seconds |\n|---|---|---|---|---|", flush=True)
        wrong = 0
        for algorithm in chosen.algorithms:
            for training in chosen.trainings:
                if (algorithm, training) != ("ppo", "full"):  # PPO's roles are adapters on one base
                    wrong += _leave(store, algorithm, training, chosen.gguf)
    return int(wrong > 0)


def _leave(store: Store, algorithm: str, training: str, gguf: str) -> int:
    """One run and both of its forms; how many did not go well."""
    changes = SHORT | ALGORITHMS[algorithm] | TRAININGS[training]
    run = train_in_foreground(with_values(load_preset(f"{MODEL}/{algorithm}").recipe, changes), store)
    if run.state is not RunState.FINISHED:
        print(f"| {algorithm} | {training} | – | the run is {run.state}: {run.error} | – |", flush=True)
        return 1
    wrong = 0
    for merge in (False, True):
        started = time.monotonic()
        job = work_in_foreground(OutSpec(run=run.id, merge=merge, gguf=gguf if merge else ""), store)
        checked = (job.result or {}).get("checked")
        told = f"{checked['same']} of {checked['of']}" if checked else str(job.error)
        form = "merged" if merge else "as trained"
        print(f"| {algorithm} | {training} | {form} | {told} | {time.monotonic() - started:.0f} |", flush=True)
        wrong += job.state is not RunState.FINISHED
    return wrong


if __name__ == "__main__":
    sys.exit(main())
