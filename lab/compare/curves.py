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

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.store.lines import Line, is_number
from lab.store.run_folder import RunFolder

STEP_NAMES = {
    "reward": "train_reward",
    "kl": "kl",
    "completion_tokens": "length",
    "entropy": "entropy",
    "loss": "loss",
}
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
        tokens = _tokens(line)
        if not isinstance(held_out := line.get("held_out"), dict):
            for name, curve in STEP_NAMES.items():
                if is_number(line.get(name)):
                    rows[curve].append((step, float(line[name]), seconds, tokens, np.nan, np.nan))
            continue
        kl = held_out.get("kl_from_start", 0.0 if step == 0 else final_kl if step == last_step else None)
        values = {**held_out, "kl_from_start": kl}
        position = float(kl) if is_number(kl) else np.nan
        n = float(held_out["samples"]) if is_number(held_out.get("samples")) else np.nan
        for name in HELD_OUT_NAMES:
            if is_number(values.get(name)):
                rows[name].append((step, float(values[name]), seconds, tokens, position, n))
    return {name: Curve(*np.array(table, dtype=np.float64).T) for name, table in rows.items()}


def started(folder: RunFolder) -> float | None:
    """When the run's only attempt began, in seconds since 1970; None where it was resumed or that is not known."""
    beat = folder.heartbeat()
    if not isinstance(beat, dict) or any(folder.spent_before().values()):
        return None
    time, seconds = beat.get("time"), beat.get("seconds")
    return float(time) - float(seconds) if is_number(time) and is_number(seconds) else None


def with_elapsed(lines: Iterable[Line], start: float | None) -> Iterable[tuple[Line, float]]:
    """Each line with the seconds that the run had worked when it was written; pauses between two attempts do not count."""
    elapsed, last = 0.0, start
    for position, line in enumerate(lines):
        own = float(line["seconds"]) if is_number(line.get("seconds")) else 0.0
        now = line.get("time")
        gap = float(now) - last if last is not None and is_number(now) else own
        first = position == 0  # before it a model is loaded, which may take long
        worked = gap >= 0 and (first or gap <= own + PAUSE)
        elapsed += gap if worked else own
        last = float(now) if is_number(now) else None
        yield line, elapsed


def _tokens(line: Line) -> float:
    counts = [line.get(name) for name in ("tokens_generated", "tokens_trained")]
    return float(sum(counts)) if all(map(is_number, counts)) else np.nan  # type: ignore[arg-type]
