"""The course's two tables as JSON, each text in both languages, for a page that draws them itself (the Learn tab's step 7).

Not here: what stands in a cell (``tables.py``), how it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.compare.phrases import Phrase
from lab.compare.runs import ComparedRun
from lab.compare.tables import Cell, Table, course_tables
from lab.words import LOCALES


def tables_json(runs: Sequence[ComparedRun], labels: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """``[{"name", "title", "columns", "rows": [{"label", "algorithm", "cells"}]}]``, those that have rows.

    A text is ``{"en", "zh"}``; ``labels``: what a study calls its groups, by the label that its runs have.
    """
    return [_table(table, labels) for table in course_tables(runs) if table.rows]


def _table(table: Table, labels: dict[str, dict[str, str]]) -> dict[str, Any]:
    rows = [
        {
            "label": labels.get(row.group.label, dict.fromkeys(LOCALES, row.group.label)),
            "algorithm": row.group.algorithm,
            "cells": [_cell(cell) for cell in row.cells],
        }
        for row in table.rows
    ]
    columns = [_words(column) for column in table.columns]
    return {"name": table.name, "title": _words(table.title), "columns": columns, "rows": rows}


def _cell(cell: Cell) -> dict[str, Any]:
    texts = {name: _words(getattr(cell, name)) for name in ("claim", "measured", "detail", "sentence")}
    return {**texts, "mark": cell.mark.value}


def _words(phrase: Phrase) -> dict[str, str]:
    return {locale: phrase.say(locale) for locale in LOCALES}
