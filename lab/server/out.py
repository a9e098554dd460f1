"""What a job wrote for people to take along, as one file. A tar is made while it is sent: nothing is held in memory or on the disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from lab.core.access import Access, requires
from lab.errors import StateError
from lab.runs.jobs import Jobs
from lab.runs.leaving import OUT

BLOCK = 512
PIECE = 1 << 20


def add_out(application: FastAPI, jobs: Jobs) -> None:
    """Register the route."""

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
    """The pieces of a tar with the files of ``folder`` below ``name``."""
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
