"""``/api/compare``: what somebody compares, as one HTML page or as CSV, to be taken along.

What stands in them is ``lab/compare/report``; the command line writes the same (``python -m lab report``).
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import FastAPI, Query
from starlette.responses import Response

from lab.compare.phrases import Phrase, in_both
from lab.compare.report import Source, csv_of, report_html
from lab.compare.selection import Selected, Selections, parse_selection
from lab.core.access import Access, requires
from lab.errors import InputError
from lab.store.runs import Store

Of = Annotated[str, Query(max_length=200)]
Runs = Annotated[str, Query(max_length=600)]


def add_compare(application: FastAPI, store: Store) -> None:
    """Register the routes."""
    selections = Selections(store)

    def read(of: str, runs: str) -> Selected:
        selected = selections.read(parse_selection(of, [run for run in runs.split(",") if run]), _mark(store))
        if not selected.runs:
            raise InputError("compare_choice", value=of[:80])
        return selected

    @application.get("/api/compare/html")
    @requires(Access.VIEWER)
    def page(of: Of, runs: Runs = "") -> Response:
        """A comparison as one HTML page; ``of`` is ``study:NAME``, ``recorded:NAME`` or ``runs:`` with ``runs`` (ids, commas between)."""
        selected = read(of, runs)
        return _file(report_html(selected.runs, _source(selected)), selected, "html", "text/html; charset=utf-8")

    @application.get("/api/compare/csv")
    @requires(Access.VIEWER)
    def table(of: Of, runs: Runs = "") -> Response:
        """The same as CSV, one line a run."""
        selected = read(of, runs)
        return _file(csv_of(selected.runs), selected, "csv", "text/csv; charset=utf-8")


def _mark(store: Store) -> str:
    return repr(store.states())


def _source(selected: Selected) -> Source:
    study, recorded = selected.study, selected.recorded
    if study is None:
        count = len(selected.runs)
        only = Phrase("report.title_run", {"name": selected.runs[0].name})
        title = only if count == 1 else Phrase("report.title_runs", {"count": count})
        return Source(
            selected.shelf, title, command=f"python -m lab report {' '.join(run.run for run in selected.runs)}"
        )
    title, about = in_both(study.title.en, study.title.zh), in_both(study.about.en, study.about.zh)
    if recorded is not None:
        return Source(selected.shelf, title, about, recorded.command, recorded=True, machine=recorded.machine)
    return Source(selected.shelf, title, about, f"python -m lab study {study.name}")


def _file(text: str, selected: Selected, ending: str, kind: str) -> Response:
    """A download that no page shows within the lab: what models wrote stands in it."""
    name = re.sub(r"[^a-z0-9.]+", "-", (selected.selection.study or "comparison").lower())
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Cache-Control": "no-store"}
    return Response(text, media_type=kind, headers=headers)
