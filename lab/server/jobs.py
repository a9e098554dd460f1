"""The ``/api/jobs`` routes: submit a job, follow it, cancel it. A job costs the machine, so only the owner submits; whoever looks on may follow.

The page's own handlers go through ``supervisor.jobs`` as these routes do; every shape stands in ``docs/routes.md``.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from lab.core.access import Access, requires
from lab.core.jobs import parse_job
from lab.runs.jobs import Jobs
from lab.server.access import user_of
from lab.store.lines import dump

Offset = Annotated[int, Query(ge=0, le=2**53)]


class Submission(BaseModel):
    """What is posted."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=40)
    spec: dict[str, Any]


def add_jobs(application: FastAPI, jobs: Jobs) -> None:
    """Register the routes."""

    @application.get("/api/jobs")
    @requires(Access.VIEWER)
    def all_jobs() -> Response:
        """All jobs, newest first: ``{"jobs": [job summary…]}``.

        A job summary is ``{"id", "kind", "by", "state", "created", "started", "ended", "stage", "done", "total", "tokens_per_second" | null,
        "queue_position" | null, "waits_for": null | {"kind": "run" | "job", "id", "name"}, "error" | null, "result" | null}``.
        """
        return _json({"jobs": jobs.summaries()})

    @application.post("/api/jobs")
    @requires(Access.OWNER)
    def submit(asked: Submission, request: Request) -> Response:
        """Queues ``{"kind", "spec"}``; 201 with the job summary."""
        job = jobs.submit(parse_job(asked.kind, asked.spec), by=user_of(request).name)
        return _json(jobs.summary(job.id), 201)

    @application.get("/api/jobs/{job_id}")
    @requires(Access.VIEWER)
    def one_job(job_id: str, since: Offset = 0) -> Response:
        """A job summary with ``"spec"``, ``"cursor"``, ``"reset"`` and ``"lines"`` (of result.jsonl since that byte)."""
        summary = jobs.summary(job_id)  # before the lines: an ended job has all of them
        page = jobs.folder(job_id).lines(since)
        spec = jobs.job(job_id).spec
        return _json({**summary, "spec": spec, "cursor": page.cursor, "reset": page.reset, "lines": page.lines})

    @application.delete("/api/jobs/{job_id}")
    @requires(Access.OWNER)
    def end_job(job_id: str) -> Response:
        """Cancels a queued or running job, deletes an ended one."""
        if jobs.job(job_id).state.ended:
            jobs.delete(job_id)
            return _json({"deleted": job_id})
        jobs.cancel(job_id)
        return _json(jobs.summary(job_id))


def _json(value: object, status: int = 200) -> Response:
    return Response(dump(value), status_code=status, media_type=JSONResponse.media_type)
