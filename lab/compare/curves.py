"""A run's curves: what was measured at which step, with the seconds, tokens and KL at which it was measured.

Held-out measurements and the metrics of training steps have names of their own:

| name | from | meaning |
|---|---|---|
| ``pass_at_1``, ``reward``, ``pair_accuracy``, ``agreement`` | held-out lines | measured on held-out prompts or pairs |
| ``kl_from_start`` | held-out lines | nats a completion, from the model that the run began with |
| ``train_reward``, ``kl``, ``length``, ``entropy``, ``loss`` | each step | of the step's own batch |

Not here: thinning for a screen (the page does it for its own width).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.store.lines import Line, is_number
from lab.store.run_folder import RunFolder

STEP_NAMES = {"reward": "train_reward", "kl": "kl", "completion_tokens": "length", "entropy": "entropy", "loss": "loss"}
"""Metrics of a step, by their names in metrics.jsonl, and the curves that they become."""
HELD_OUT_NAMES = ("pass_at_1", "reward", "kl_from_start", "pair_accuracy", "agreement")
PAUSE = 30.0
"""A gap between two lines that is longer than the second one's own time by so many seconds is a pause: nobody worked in it."""
LAST = 20
"""The steps behind a number "at the end"."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Values of one name, all arrays of one length; NaN where something is not known."""

    step: Floats
    value: Floats
    seconds: Floats
    """Of the whole chain, from the first run's start."""
    tokens: Floats
    """Generated and trained by this run until then."""
    kl: Floats
    """Of held-out lines: nats a completion from the run's start, measured at the same step."""
    n: Floats
    """Of held-out lines: completions, or pairs, measured."""

    def __len__(self) -> int:
        return len(self.step)

    def last_mean(self) -> float | None:
        """The mean of the last values; None where there is none."""
        tail = self.value[np.isfinite(self.value)][-LAST:]
        return float(tail.mean()) if tail.size else None

    def axis(self, name: str) -> Floats:
        """``step``, ``seconds``, ``tokens`` or ``kl``."""
        return {"step": self.step, "seconds": self.seconds, "tokens": self.tokens, "kl": self.kl}[name]


def curves_of(folder: RunFolder, *, seconds_before: float = 0.0) -> dict[str, Curve]:
    """Every curve that a run's metrics.jsonl holds. ``seconds_before``: what the earlier runs of its chain took."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    result = folder.result()
    final_kl = result.get("kl_from_start") if isinstance(result, dict) else None
    last_step = result.get("steps") if isinstance(result, dict) else None
    for line, elapsed in with_elapsed(folder.metrics().lines, started(folder)):
        step, seconds = float(line.get("step", 0)), seconds_before + elapsed
        tokens = sum(number_or_nan(line.get(name)) for name in ("tokens_generated", "tokens_trained"))
        if not isinstance(held_out := line.get("held_out"), dict):
            for name, curve in STEP_NAMES.items():
                if not math.isnan(value := number_or_nan(line.get(name))):
                    rows[curve].append((step, value, seconds, tokens, np.nan, np.nan))
            continue
        kl = held_out.get("kl_from_start", 0.0 if step == 0 else final_kl if step == last_step else None)
        values = {**held_out, "kl_from_start": kl}
        position = number_or_nan(kl)
        n = number_or_nan(held_out.get("samples"))
        for name in HELD_OUT_NAMES:
            if not math.isnan(value := number_or_nan(values.get(name))):
                rows[name].append((step, value, seconds, tokens, position, n))
    return {name: Curve(*np.array(table, dtype=np.float64).T) for name, table in rows.items()}


def started(folder: RunFolder) -> float | None:
    """When the run's only attempt began, in seconds since 1970; None where it was resumed or that is not known."""
    beat = folder.heartbeat()
    if not isinstance(beat, dict) or any(folder.spent_before().values()):
        return None
    start = number_or_nan(beat.get("time")) - number_or_nan(beat.get("seconds"))
    return None if math.isnan(start) else start


def with_elapsed(lines: Iterable[Line], start: float | None) -> Iterable[tuple[Line, float]]:
    """Each line with the seconds that the run had worked when it was written; pauses between two attempts do not count."""
    elapsed, last = 0.0, start
    for position, line in enumerate(lines):
        own = max(0.0, number_or_nan(line.get("seconds"), 0.0))
        now = number_or_nan(line.get("time"))
        gap = own if last is None or math.isnan(now) else now - last
        first = position == 0  # before it a model is loaded, which may take long
        worked = gap >= 0 and (first or gap <= own + PAUSE)
        elapsed += gap if worked else own
        last = None if math.isnan(now) else now
        yield line, elapsed


def number_or_nan(value: Any, otherwise: float = math.nan) -> float:
    """A finite number of a line as it is; NaN, or ``otherwise``, for anything else."""
    return float(value) if is_number(value) else otherwise
