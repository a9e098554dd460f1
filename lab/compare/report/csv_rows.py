"""A comparison as CSV: one line a run, each number with what it rests on.

A cell that a spreadsheet would take for a formula is quoted (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from lab.compare.runs import ComparedRun
from lab.data.csv_rows import FORMULA

PLAIN = (
    *("study", "entry", "label", "run", "name", "algorithm", "seed", "state", "base", "data", "steps", "steps_asked"),
    *("seconds", "chain_seconds", "tokens_generated", "tokens_trained", "peak_memory_bytes", "pairs_of_chain"),
    *("kl_from_start", "length", "entropy"),
)
"""Columns that are a run's own attributes."""
MEASURED = ("pass_at_1", "reward", "pair_accuracy")


def csv_of(runs: Sequence[ComparedRun]) -> str:
    """The runs as CSV text, the heads first; an empty cell is a number that was not measured."""
    columns = [
        f"{when}_{name}{part}"
        for name in MEASURED
        for when in ("before", "after")
        for part in ("", "_n", "_low", "_high")
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*PLAIN, "roles", "models", "rules", *columns])
    for run in runs:
        writer.writerow([_safe(cell) for cell in _row(run)])
    return out.getvalue()


def _row(run: ComparedRun) -> list[Any]:
    cells = [getattr(run, name) for name in PLAIN]
    cells += [" ".join(run.roles), run.bases, " ".join(run.rules)]
    for name in MEASURED:
        for values in (run.before, run.after):
            measured = values.get(name)
            cells += [measured.value, measured.n, measured.low, measured.high] if measured else [None] * 4
    return cells


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
