"""``GET /api/preflight``: what a pre-flight can be asked with. The pre-flight itself is a job (``jobs.py``)."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.runs.start_models import bases_here, finished_writers
from lab.store.lines import dump
from lab.store.runs import Store


def add_preflight(application: FastAPI, store: Store, annotation: Annotation) -> None:
    """Register the route."""

    @application.get("/api/preflight")
    @requires(Access.OWNER)
    def choices() -> Response:
        """What a pre-flight or a sample on the bench can be asked with: ``{"models": [{"model", "name"}…], "collections": [{"id", "name",
        "judgements"}…]}``: the models that are here and write, and the collections that somebody has judged.
        """
        models = [{"model": name, "name": name} for name in bases_here(store)]
        models += [{"model": f"run:{run.id}", "name": f"{run.name} · {run.id}"} for run in finished_writers(store)]
        judged = [one for one in annotation.collections() if one.judgements]
        collections = [{"id": one.id, "name": one.name, "judgements": one.judgements} for one in judged]
        return Response(dump({"models": models, "collections": collections}), media_type=JSONResponse.media_type)
