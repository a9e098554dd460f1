"""What rewarding costs: each equation rule on completions it has not seen before, and its share of a real GRPO step."""

from __future__ import annotations

import random
import time

from lab.core.recipes import with_values
from lab.core.rules import RuleSet, WeighedRule
from lab.rules import RULES
from lab.runs.foreground import train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState
from lab.tasks.equations import Split, Style, demonstrations
from tests.bench import lab
from tests.bench.figures import Figure, median

NAMES = ("equals_answer", "integer_answer", "consistent")
ROUNDS = 15
STEPS, WARM = 40, 5  # of the real run; the first ones also pay for what is done once

Row = tuple[str, str, str]


def measure() -> list[Figure]:
    """Microseconds a completion, then a short real run."""
    rows = _rows()
    figures = [
        Figure(f"{name}, a completion", _microseconds(RuleSet([WeighedRule(RULES[name])]), rows), "µs", 60)
        for name in NAMES
    ]
    together = RuleSet([WeighedRule(RULES[name]) for name in NAMES])
    figures.append(Figure("the three rules as one set, a completion", _microseconds(together, rows), "µs"))
    return [*figures, Figure("rewarding, share of a GRPO step", _share_of_a_step() * 100, "%", 5)]


def _rows() -> list[Row]:
    """Prompts and answers in every style, no text twice: what a rule remembers of an earlier one does not help."""
    everything = demonstrations(Split.TRAIN, 1, 20_000, dict.fromkeys(Style, 1.0))
    distinct = {row["completion"]: (row["prompt"], row["completion"], row["answer"]) for row in everything}
    rows = list(distinct.values())
    random.Random(1).shuffle(rows)
    return rows


def _microseconds(rules: RuleSet, rows: list[Row]) -> float:
    """Of processor time, so that a busy machine does not count."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for row in rows:
            rules(*row)
        times.append((time.process_time() - started) / len(rows) * 1e6)
    return median(times)


def _share_of_a_step() -> float:
    """Σ reward_seconds / Σ seconds over the steps of the tiny GRPO preset, as its metrics.jsonl has them."""
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": STEPS, "measure_samples": 0})
    with lab.home() as home, lab.store(home) as store:
        run = train_in_foreground(recipe, store)
        if run.state is not RunState.FINISHED:
            raise RuntimeError(f"the run did not finish: {store.folder(run.id).log().text[-2000:]}")
        lines = [line for line in store.folder(run.id).metrics().lines if line.get("step", 0) > WARM]
    return sum(line["reward_seconds"] for line in lines) / sum(line["seconds"] for line in lines)
