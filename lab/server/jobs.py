"""The ``/api/jobs`` routes: submit a job, follow it, cancel it, take what it wrote along; and ``/api/preflight``, what a job can be asked with.

A job uses the machine, so only the owner submits one; viewers may follow it.

The page's own handlers go through ``supervisor.jobs`` as these routes do; every shape stands in ``docs/routes.md``.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires, user_of
from lab.core.jobs import parse_job
from lab.errors import StateError
from lab.runs.jobs import Jobs
from lab.runs.leaving import OUT
from lab.runs.start_models import bases_here, finished_writers
from lab.server.answers import Sent, json_answer
from lab.store.runs import Store

Offset = Annotated[int, Query(ge=0, le=2**53)]
BLOCK, PIECE = 512, 1 << 20
"""Bytes of a tar's block, and of what is sent at once."""


class Submission(Sent):
    """What is posted."""

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
        return json_answer({"jobs": jobs.summaries()})

    @application.post("/api/jobs")
    @requires(Access.OWNER)
    def submit(submission: Submission, request: Request) -> Response:
        """Queues ``{"kind", "spec"}``; 201 with the job summary."""
        job = jobs.submit(parse_job(submission.kind, submission.spec), by=user_of(request).name)
        return json_answer(jobs.summary(job.id), 201)

    @application.get("/api/jobs/{job_id}")
    @requires(Access.VIEWER)
    def one_job(job_id: str, since: Offset = 0) -> Response:
        """A job summary with ``"spec"``, ``"cursor"``, ``"reset"`` and ``"lines"`` (of result.jsonl since that byte)."""
        summary = jobs.summary(job_id)  # before the lines: an ended job has all of them
        page = jobs.folder(job_id).lines(since)
        spec = jobs.job(job_id).spec
        return json_answer({**summary, "spec": spec, "cursor": page.cursor, "reset": page.reset, "lines": page.lines})

    @application.delete("/api/jobs/{job_id}")
    @requires(Access.OWNER)
    def end_job(job_id: str) -> Response:
        """Cancels a queued or running job, deletes an ended one."""
        if jobs.job(job_id).state.ended:
            jobs.delete(job_id)
            return json_answer({"deleted": job_id})
        jobs.cancel(job_id)
        return json_answer(jobs.summary(job_id))

    @application.get("/api/jobs/{job_id}/out.tar")
    @requires(Access.OWNER)
    def one_file(job_id: str) -> Response:
        """What an ``out`` or ``eject`` job wrote, as a tar; 409 where it has written nothing."""
        job = jobs.job(job_id)
        folder = jobs.folder(job_id).path / OUT
        if not folder.is_dir():
            raise StateError("out_not_written", job=job_id)
        name = f"{str(job.spec.get('run', job_id)).replace('@', '-')}-{job.kind.value}"
        headers = {"content-disposition": f'attachment; filename="{name}.tar"'}
        return StreamingResponse(tar_of(folder, name), media_type="application/x-tar", headers=headers)


def tar_of(folder: Path, name: str) -> Iterator[bytes]:
    """The pieces of a tar with the files of ``folder`` below ``name``, made while it is sent: nothing is held in memory or on the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        about = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
        stat = path.stat()
        about.size, about.mtime, about.mode = stat.st_size, int(stat.st_mtime), 0o644
        yield about.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
        yield b"\0" * (-stat.st_size % BLOCK)
    yield b"\0" * (2 * BLOCK)


def add_preflight(application: FastAPI, store: Store, annotation: Annotation) -> None:
    """Register the route. The pre-flight itself is a job."""

    @application.get("/api/preflight")
    @requires(Access.OWNER)
    def choices() -> Response:
        """What a pre-flight or a sample on the bench can be asked with: ``{"models": [{"model", "name"}…], "collections": [{"id", "name",
        "judgements"}…]}``: the models that are here and write, and the collections that somebody has judged.
        """
        models = [{"model": name, "name": name} for name in bases_here(store)]
        models += [{"model": f"run:{run.id}", "name": f"{run.name} · {run.id}"} for run in finished_writers(store)]
        judged = [collection for collection in annotation.collections() if collection.judgements]
        collections = [{"id": each.id, "name": each.name, "judgements": each.judgements} for each in judged]
        return json_answer({"models": models, "collections": collections})
