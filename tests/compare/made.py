"""Runs of a study with files as a worker writes them, without training: for tests and benches of what reads them. Not a test."""

from __future__ import annotations

import math
import random
from typing import Any

from lab.compare.members import Member, members
from lab.core.studies import Study
from lab.data.datasets import load
from lab.store.runs import Run, RunState, Store

START = 1_790_000_000.0
SAMPLES = 1024
ENDS: dict[str, tuple[float, float, float, float]] = {
    "sft": (0.496, 0.562, 0.9, 15.0),
    "rm": (0.5, 0.94, 0.0, 55.0),
    "dpo": (0.562, 0.787, 3.57, 46.0),
    "ppo": (0.562, 0.873, 1.52, 31.0),
    "grpo": (0.562, 0.897, 1.5, 32.0),
    "grpo-all": (0.562, 0.871, 1.31, 34.0),
    "grpo-top20": (0.562, 0.842, 1.9, 29.0),
}
"""By entry: pass@1 before and after (a reward model's pair accuracy), KL, seconds."""


def make_study(store: Store, study: Study, *, measures: int = 5, steps: int = 60) -> list[Run]:
    """Every run of a study as if it had been trained."""
    made: list[Run] = []
    while todo := [member for member in members(study, store) if member.recipe is not None and member.run is None]:
        made += [make_member(store, member, measures=measures, steps=steps) for member in todo]
    return made


def make_member(store: Store, member: Member, *, measures: int = 5, steps: int = 60) -> Run:
    """One finished run of a study."""
    assert member.recipe is not None
    run = store.create_run(member.recipe, dataset_hash=load(member.recipe, store.home).content_hash)
    before, after, kl, seconds = ENDS.get(member.entry.name, ENDS["grpo"])
    chance = random.Random(f"{member.entry.name} {member.seed}")
    after = min(0.99, after + chance.gauss(0, 0.012))
    kl *= 1 + chance.gauss(0, 0.05)
    write_files(store, run, before=before, after=after, kl=kl, seconds=seconds, measures=measures, steps=steps)
    store.change(run.id, state=RunState.FINISHED, started=START, ended=START + seconds)
    return store.run(run.id)


def write_files(
    store: Store, run: Run, *, before: float, after: float, kl: float, seconds: float, measures: int = 5, steps: int = 60,
    samples: int = SAMPLES, chance: random.Random | None = None,
) -> None:  # fmt: skip
    """metrics.jsonl, heartbeat and result.json of a run that rises from ``before`` to ``after``."""
    folder, chance = store.folder(run.id), chance or random.Random(run.id)
    scores = run.algorithm == "rm"
    asked = int(run.recipe["steps"])
    every = max(1, asked // measures)

    def measured(share: float) -> dict[str, Any]:
        value = before + (after - before) * (1 - math.exp(-3 * share)) / (1 - math.exp(-3))
        if scores:
            return {"pair_accuracy": value, "samples": 512}
        return {"pass_at_1": value, "reward": 0.9 + 2.1 * value, "samples": samples, "kl_from_start": kl * share}

    lines = []
    for number in range(1, asked + 1):
        share = number / asked
        line = {
            "step": number, "time": START + seconds * share, "seconds": seconds / asked, "loss": 1 - share / 2,
            "reward": 1.5 + share + chance.gauss(0, 0.1), "kl": kl * share / 20, "entropy": 1.2 - share, "completion_tokens": 14 - 4 * share,
            "tokens_generated": 0 if scores else 300 * number, "tokens_trained": 200 * number,
        }  # fmt: skip
        if asked <= steps or number % max(1, asked // steps) == 0:
            lines.append(line)
        if number % every == 0 or number == asked:
            lines.append({"step": number, "time": START + seconds * share, "seconds": 0.1, "held_out": measured(share)})
    first = {"step": 0, "time": START + 0.2, "seconds": 0.1, "held_out": measured(0.0)}
    for line in [first, *lines]:
        folder.append("metrics", line)
    folder.write(
        "heartbeat",
        {"pid": 0, "time": START + seconds, "seconds": seconds, "step": asked, "steps": asked, "stage": "saving"},
    )
    folder.write(
        "result.json",
        {
            "state": "finished", "error": None, "before": measured(0.0), "after": measured(1.0), "seconds": seconds, "steps": asked,
            "peak_memory_bytes": 700_000_000, "libraries_bytes": 500_000_000, "tokens_generated": 0 if scores else 300 * asked,
            "tokens_trained": 200 * asked, "kl_from_start": None if scores else kl, "weights_changed": True, "steps_without_update": 0,
        },
    )  # fmt: skip
