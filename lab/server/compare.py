"""``/api/compare``: what somebody compares, as one HTML page or as CSV, to be taken along.

What stands in them is ``lab/compare/report``; the command line writes the same (``python -m lab report``).
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from lab.compare.phrases import Phrase, in_both
from lab.compare.report import Source, csv_of, labels_of, report_html
from lab.compare.selection import Selected, Selections, parse_selection
from lab.compare.table_rows import tables_json
from lab.compare.tables import IN_TABLES
from lab.core.access import Access, requires
from lab.errors import InputError, LabError
from lab.server.answers import json_answer
from lab.store.run_titles import run_titles
from lab.store.runs import RunState, Store
from lab.words.sentences import language_of

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
    def page(request: Request, of: Of, runs: Runs = "") -> Response:
        """A comparison as one HTML page; ``of`` is ``study:NAME``, ``recorded:NAME`` or ``runs:`` with ``runs`` (ids, commas between)."""
        selected = read(of, runs)
        text = report_html(selected.runs, _source(selected), locale=language_of(request))
        return _file(text, selected, "html", "text/html; charset=utf-8")

    @application.get("/api/compare/csv")
    @requires(Access.VIEWER)
    def table(of: Of, runs: Runs = "") -> Response:
        """The same as CSV, one line a run."""
        selected = read(of, runs)
        return _file(csv_of(selected.runs), selected, "csv", "text/csv; charset=utf-8")

    @application.get("/api/compare/tables")
    @requires(Access.VIEWER)
    def tables(request: Request, of: Of = "", runs: Runs = "") -> Response:
        """The course's two tables of a comparison: ``{"of", "recorded", "tables", "offered": [{"of", "title"}], "runs": [{"run",
        "title", "algorithm"}]}``, each text ``{"en", "zh"}``. Without ``of``, of the first that is offered: a recorded study, or one of which
        runs have finished. ``runs`` are the finished ones that a table has a row for."""
        offered = _offered(selections, store)
        text = of or (str(offered[0]["of"]) if offered else "runs:")
        chosen = [run for run in runs.split(",") if run]
        selected = selections.read(parse_selection(text, chosen), _mark(store))
        labels = (
            {entry.label.en: entry.label.model_dump() for entry in selected.study.entries} if selected.study else {}
        )
        about = {
            "of": text,
            "recorded": selected.recorded is not None,
            "offered": offered,
            "runs": _own_runs(store, language_of(request)),
        }
        return json_answer(about | {"tables": tables_json(selected.runs, labels)})


def _offered(selections: Selections, store: Store) -> list[dict[str, object]]:
    """What there are tables of: recorded studies, and those of this home with a finished run."""
    there: list[dict[str, object]] = []
    for selection in selections.offered():
        if selection.kind == "runs" or (selection.kind == "study" and not store.states()):
            continue
        try:
            selected = selections.read(selection, _mark(store))
        except LabError:
            continue  # its file does not validate: Compare says so where it is chosen
        if selected.study is not None and any(run.complete for run in selected.runs):
            there.append({"of": selection.text, "title": selected.study.title.model_dump()})
    return there


def _own_runs(store: Store, language: str) -> list[dict[str, object]]:
    """The finished runs that the tables have rows for, the newest first."""
    titles = run_titles(store, language)
    return [
        {"run": run.id, "title": titles.get(run.id, run.name), "algorithm": run.algorithm}
        for run in store.runs()
        if run.state is RunState.FINISHED and run.algorithm in IN_TABLES
    ]


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
        return Source(
            selected.shelf,
            title,
            about,
            recorded.command,
            recorded=True,
            machine=recorded.machine,
            labels=labels_of(study),
        )
    return Source(selected.shelf, title, about, f"python -m lab study {study.name}", labels=labels_of(study))


def _file(text: str, selected: Selected, ending: str, kind: str) -> Response:
    """A download that no page shows within the lab: what models wrote stands in it."""
    name = re.sub(r"[^a-z0-9.]+", "-", (selected.selection.study or "comparison").lower())
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Cache-Control": "no-store"}
    return Response(text, media_type=kind, headers=headers)
