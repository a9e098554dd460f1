"""Notes on the rows of a run: how many are used, why others are not, what is cut, repeated or has no answer.

Shown alike by the log, the page, ``preview`` and ``estimate``; the words stand in ``lab/words`` under ``note``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.core.algorithms import DataForm, algorithm_of
from lab.core.notes import Note
from lab.core.recipes import Recipe
from lab.core.row_lengths import max_length_for
from lab.data.left_out import WhyLeftOut, counted
from lab.sandbox.rewards import weighed
from lab.training.models.length_filter import Fitted

SHOWN_REASONS = 8
"""Reasons for leaving rows out that have a note each; the others share one."""


def row_notes(fitted: Fitted) -> list[Note]:
    """The notes on the rows, the most important first."""
    recipe, data = fitted.recipe, fitted.dataset
    if not algorithm_of(recipe).starts_from_model:
        return []
    read = [Note(f"data_note.{note.key}", note.params) for note in data.notes]
    rows = [*_used(fitted), *_lengths(fitted), *_columns(data.passed_over), *read]
    return [*rows, *_answers(recipe, data.train), *_few(fitted)]


def reasons(fitted: Fitted) -> list[tuple[str, str, int]]:
    """``(why, detail, how many)`` of the rows left out: those of the file first, then those that are too long."""
    of_file = [(str(why), detail, count) for why, detail, count in counted(fitted.dataset.left_out)]
    return of_file + [(str(why), "", count) for why, count in fitted.left_out.most_common()]


def _used(fitted: Fitted) -> Iterator[Note]:
    data = fitted.dataset
    held_out = len(data.held_out) or len(data.held_out_pairs)
    rows = fitted.rows + len(data.left_out)
    yield Note("rows_used", {"used": len(data.train), "rows": rows, "held_out": held_out})
    if fitted.drawn < fitted.rows:
        yield Note("rows_drawn", {"drawn": fitted.drawn, "rows": fitted.rows})
    counts = reasons(fitted)
    for why, detail, count in counts[:SHOWN_REASONS]:
        mend = _longer(fitted) if why == WhyLeftOut.PAIR_TOO_LONG else {}
        yield Note("left_out", {"count": count, "why": why, "detail": detail}, mend)
    if rest := sum(count for _, _, count in counts[SHOWN_REASONS:]):
        yield Note("left_out_rest", {"count": rest})


def _lengths(fitted: Fitted) -> Iterator[Note]:
    length = fitted.recipe.row_limit
    if fitted.from_data:
        yield Note("length_from_data", {"max_length": length})
    if fitted.cut:
        mend = _longer(fitted)
        known = {
            "count": fitted.cut,
            "rows": len(fitted.dataset.train),
            "max_length": length,
            "longest": fitted.longest,
        }
        key = "rows_cut" if mend else "rows_cut_by_context"
        yield Note(key, {**known, "context": fitted.context or length}, mend)
    if fitted.not_measured:
        yield Note("not_measured", {"count": fitted.not_measured, "rows": fitted.measured_of})


def _longer(fitted: Fitted) -> dict[str, Any]:
    """The ``max_length`` that would hold the longest row; nothing where the model's context ends before."""
    wanted = max_length_for([fitted.longest], fitted.context)
    return {"max_length": wanted} if wanted > fitted.recipe.row_limit else {}


def _columns(passed_over: tuple[str, ...]) -> Iterator[Note]:
    if passed_over:
        yield Note("passed_over", {"columns": ", ".join(passed_over)})


def _answers(recipe: Recipe, rows: list[dict[str, Any]]) -> Iterator[Note]:
    """Prompts without a known answer, where a rule needs one."""
    if recipe.rule_uses is None:
        return
    without = sum(not str(row.get("answer") or "").strip() for row in rows)
    needing = [entry.rule.name for entry in weighed(recipe.rule_uses) if getattr(entry.rule, "needs_answer", False)]
    if without and needing:
        yield Note("without_answer", {"count": without, "rows": len(rows), "rules": ", ".join(needing)})


def _few(fitted: Fitted) -> Iterator[Note]:
    """Fewer rows than one step takes."""
    recipe, rows = fitted.recipe, len(fitted.dataset.train)
    if (needed := rows_of_step(recipe)) > rows:
        key = "prompts_repeated" if algorithm_of(recipe).data is DataForm.PROMPTS else "rows_repeated"
        yield Note(key, {"rows": rows, "needed": needed})


def rows_of_step(recipe: Recipe) -> int:
    """The rows that one optimiser step takes: prompts where completions are sampled, else rows or pairs; 0 for pretraining."""
    if not algorithm_of(recipe).starts_from_model:
        return 0
    batch: int = recipe.batch_size  # type: ignore[attr-defined]
    return batch // recipe.group_size if algorithm_of(recipe).data is DataForm.PROMPTS else batch  # type: ignore[attr-defined]
