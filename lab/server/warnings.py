"""``POST /api/runs/{id}/warnings/{signal}/annotate``: the completions of a run's warning become pairs that people can judge.

What a warning is stands in ``lab/runs/warnings.py``, what a collection is in ``lab/annotation/pairs.py``.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Path
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.runs.warnings import to_judge
from lab.store.runs import Store

NAME_LENGTH = 80
Signal = Annotated[str, Path(max_length=40)]


def add_warnings(application: FastAPI, store: Store, annotation: Annotation) -> None:
    """Register the route."""

    def send(run_id: str, signal: str) -> dict[str, Any]:
        run = store.run(run_id)
        rows = to_judge(run, store, signal)
        name = f"{run.name[:NAME_LENGTH]} · {signal}"
        into = next((one.id for one in annotation.collections() if one.name == name), None)
        done = annotation.import_rows(rows, name=name, into=into)
        return {"collection": done.collection.id, "name": done.collection.name, "pairs": done.taken}

    @application.post("/api/runs/{run_id}/warnings/{signal}/annotate")
    @requires(Access.OWNER)
    async def annotate(run_id: str, signal: Signal) -> Response:
        """Makes a collection of the samples of a warning: ``{"collection", "name", "pairs"}``."""
        return JSONResponse(await run_in_threadpool(send, run_id, signal))
