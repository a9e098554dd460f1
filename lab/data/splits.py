"""Rows of several splits in one file: a column that says train, validation or test of each row (``split``, ``subset``, ``is_test`` …).

Training reads the training split alone, as it does of the hub; ``FILE?split=test`` takes another one, ``FILE?split=*`` every row. A column of
such a name that says anything else (a subject, a source) is no split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lab.core.notes import note
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.rows import Rows
from lab.data.turns import word_of
from lab.errors import DatasetError

SPLIT = "split"
"""The name before ``=`` of the split that is taken."""
EVERY = "*"
COLUMNS = ("split", "subset", "partition", "data_split", "dataset_split", "fold", "set")
TRAIN = ("train", "training", "trn", "train_sft", "train_prefs", "train_gen", "训练", "训练集")
OTHERS = (
    "test", "testing", "tst", "validation", "valid", "val", "dev", "development", "eval", "evaluation", "heldout", "held_out",
    "held-out", "holdout", "hold-out", "test_sft", "test_prefs", "test_gen", "unused", "测试", "测试集", "验证", "验证集",
)  # fmt: skip
YES, NO = ("true", "1", "yes"), ("false", "0", "no")
FLAGS = {"is_train": (YES, NO)} | dict.fromkeys(
    ("is_test", "is_validation", "is_val", "is_eval", "held_out", "holdout"), (NO, YES)
)
"""Columns of yes and no: what rows to train on say there, and what others do."""


def training_rows(rows: Rows) -> Rows:
    """The rows without those that a column marks as another split's, which are left out with the reason."""
    column = _split_column(rows)
    if column is None:
        return rows
    left_out = [
        LeftOut(line, WhyLeftOut.OTHER_SPLIT, f"{column}: {word_of(row.get(column))}")
        for line, row in rows.numbered
        if not _trains(row, column)
    ]
    taken = _without(rows, column, [_trains(row, column) for row in rows.rows])
    return replace(taken, left_out=sorted([*rows.left_out, *left_out], key=lambda row: row.line))


def rows_of_split(rows: Rows, split: str) -> Rows:
    """The rows of one split, of all with ``*``. Raises DatasetError where no column tells splits, or none is called so."""
    wanted = split.strip().lower()
    if wanted == EVERY:
        column = _split_column(rows)
        return rows if column is None else _without(rows, column, [True] * len(rows.rows))
    column = next((name for name in COLUMNS if name in rows.columns), None)
    if column is None:
        known, there = ", ".join(COLUMNS), ", ".join(rows.columns)
        raise DatasetError("dataset_split_column", path=rows.path, split=split, known=known, found=there)
    words = [word_of(row.get(column)) for row in rows.rows]
    if wanted not in words and not rows.more:
        values = ", ".join(sorted({word for word in words if word})[:8])
        raise DatasetError("dataset_split_none", path=rows.path, column=column, split=split, values=values)
    taken = _without(rows, column, [word == wanted for word in words])
    return replace(taken, notes=(*rows.notes, note("split_taken", column=column, split=wanted)))


def _split_column(rows: Rows) -> str | None:
    """The column that tells rows to train on from others; None where there is none, or all rows are of one kind."""
    for column in (*COLUMNS, *FLAGS):
        words = {word_of(row.get(column)) for row in rows.rows} if column in rows.columns else set()
        train, others = FLAGS.get(column, (TRAIN, OTHERS))
        if words.intersection(train) and words.intersection(others) and words <= {"", *train, *others}:
            return column
    return None


def _trains(row: dict[str, Any], column: str) -> bool:
    return word_of(row.get(column)) not in FLAGS.get(column, (TRAIN, OTHERS))[1]


def _without(rows: Rows, column: str, taken: Sequence[bool]) -> Rows:
    """The taken rows without the column, which is used then."""
    kept = [numbered for numbered, take in zip(rows.numbered, taken, strict=True) if take]
    others = [{name: value for name, value in row.items() if name != column} for _, row in kept]
    columns = tuple(name for name in rows.columns if name != column)
    return replace(rows, rows=others, lines=[line for line, _ in kept], columns=columns)
