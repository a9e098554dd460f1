"""``make real ARGS=--laptop``: the preset ``smollm2-135m/grpo-laptop`` on three seeds. Exit status 1 where one moves too little or takes too long."""

from __future__ import annotations

import time
from pathlib import Path

from lab.core.recipes import with_values
from lab.runs.fetch.downloads import get_model
from lab.runs.foreground import train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import Store

PRESET = "smollm2-135m/grpo-laptop"
SEEDS = (1, 2, 3)
LEAST_GAIN, MOST_SECONDS = 0.25, 15 * 60


def main(home: Path) -> int:
    """Train them, and print what moved on the held-out questions; the time is the whole run's, from its start to its saved model."""
    store = Store(home)
    recipe = load_preset(PRESET).recipe
    get_model(recipe.model, home)
    print("seed  pass@1 before  after   gain  reward before  after  seconds", flush=True)
    missed = 0
    for seed in SEEDS:
        started = time.monotonic()
        run = train_in_foreground(with_values(recipe, {"seed": seed, "device": "cpu"}), store)
        seconds = time.monotonic() - started
        result = store.folder(run.id).result() or {}
        before, after = result["before"], result["after"]
        gain = after["pass_at_1"] - before["pass_at_1"]
        missed += gain < LEAST_GAIN or seconds > MOST_SECONDS
        print(
            f"{seed:4}  {before['pass_at_1']:13.3f}  {after['pass_at_1']:5.3f}  {gain:+5.3f}"
            f"  {before['reward']:13.3f}  {after['reward']:5.3f}  {seconds:7.0f}",
            flush=True,
        )
    store.close()
    return int(missed > 0)
