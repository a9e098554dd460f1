"""What rewarding costs: each equation rule on completions it has not seen before, typical written rules, and the share of GRPO steps."""

from __future__ import annotations

import random
import time

from lab.core.recipes import with_values
from lab.rules import RULES
from lab.runs.foreground import train_in_foreground
from lab.sandbox.rewards import Weighed, reward_batch
from lab.sandbox.written import TYPICAL, WrittenRule, check_source, cost, score_batch, worker
from lab.store.presets import load_preset
from lab.store.runs import RunState
from lab.tasks.equations import Split, Style, demonstrations
from tests.bench import lab
from tests.bench.figures import Figure, median

NAMES = ("equals_answer", "integer_answer", "consistent")
ROUNDS = 15
TYPED = 60
STEPS, WARM = 40, 5  # of the real run; the first ones also pay for what is done once

Row = tuple[str, str, str]


def measure() -> list[Figure]:
    """Microseconds a completion, then a short real run."""
    rows = _rows()
    figures = [Figure(f"{name}, a completion", _microseconds([Weighed(RULES[name])], rows), "µs", 60) for name in NAMES]
    together = [Weighed(RULES[name]) for name in NAMES]
    figures.append(Figure("the three rules as one set, a completion", _microseconds(together, rows), "µs"))
    figures += [
        Figure(f"written: {kind}, a completion in batches of 64", cost(source)[0] * 1e6, "µs", 60)
        for kind, source in TYPICAL.items()
    ]
    figures.append(Figure("written: five completions as they are typed, p95", _as_typed() * 1e3, "ms", 300))
    written = [{"name": kind, "source": source} for kind, source in TYPICAL.items()]
    figures += [
        Figure("rewarding, share of a GRPO step: the preset's rules", _share_of_a_step({}) * 100, "%", 5),
        Figure("rewarding, share of a GRPO step: written rules", _share_of_a_step({"rules": written}) * 100, "%", 5),
    ]
    worker().close()
    return figures


def _rows() -> list[Row]:
    """Prompts and answers in every style, no text twice: what a rule remembers of an earlier one does not help."""
    everything = demonstrations(Split.TRAIN, 1, 20_000, dict.fromkeys(Style, 1.0))
    distinct = {row["completion"]: (row["prompt"], row["completion"], row["answer"]) for row in everything}
    rows = list(distinct.values())
    random.Random(1).shuffle(rows)
    return rows


def _microseconds(rules: list[Weighed], rows: list[Row]) -> float:
    """Of processor time, so that a busy machine does not count."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        reward_batch(rules, rows)
        times.append((time.process_time() - started) / len(rows) * 1e6)
    return median(times)


def _as_typed() -> float:
    """Seconds from a changed source to the scores of five completions, a new source each time, the worker warm."""
    rows = _rows()[:5]
    score_batch(WrittenRule("warm", TYPICAL["compare numbers"]), rows)
    taken = []
    for number in range(TYPED):
        source = f"{TYPICAL['regular expression']}# {number}"
        started = time.perf_counter()
        wrong = check_source(source)
        scores = score_batch(WrittenRule("typed", source), rows)
        taken.append(time.perf_counter() - started)
        assert not wrong and all(score.error is None for score in scores)
    return sorted(taken)[int(0.95 * TYPED)]


def _share_of_a_step(changes: dict[str, object]) -> float:
    """Σ reward_seconds / Σ seconds over the steps of the tiny GRPO preset, as its metrics.jsonl has them."""
    recipe = with_values(load_preset("tiny/grpo").recipe, {"steps": STEPS, "measure_samples": 0} | changes)
    with lab.home() as home, lab.store(home) as store:
        run = train_in_foreground(recipe, store)
        if run.state is not RunState.FINISHED:
            raise RuntimeError(f"the run did not finish: {store.folder(run.id).log().text[-2000:]}")
        lines = [line for line in store.folder(run.id).metrics().lines if line.get("step", 0) > WARM]
    return sum(line.get("reward_seconds", 0.0) for line in lines) / sum(line["seconds"] for line in lines)
