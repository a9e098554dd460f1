"""The jobs of a home: submitting, cancelling and deleting them, and the summary that page, route and command show.

A job needs the same slot as a run. It waits for whatever is going on there, and then goes before runs that are queued: it is short,
and somebody waits for it. Not here: how its worker is started and watched (``work.py``), and where its state is kept (``job_work.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from lab.core.jobs import Spec
from lab.errors import StateError
from lab.runs.job_work import JobWork, check_job, slot_of
from lab.runs.slots import MACHINE
from lab.store.jobs import Job, JobFolder, JobStore
from lab.store.runs import RunState, Store

Summary = dict[str, Any]


class Jobs(JobStore):
    """The jobs of a home as the app has them. ``wake`` tells the supervisor that there is something to do."""

    def __init__(self, store: Store, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(store.home)
        self._store, self._wake = store, wake

    def submit(self, spec: Spec, by: str = "") -> Job:
        """Check a spec and put a job of it into the queue; ``by`` names who asked. Raises LabError."""
        self._store.require_space()
        check_job(spec, self._store)
        job = self.create(spec, by)
        self._wake()
        return job

    def cancel(self, job_id: str) -> Job:
        """End a job at once, or take it out of the queue; what it has written stays. Raises StateError ``job_already_ended``."""
        JobWork(self.folder(job_id)).stop(now=True)
        self._wake()
        return self.job(job_id)

    def summary(self, job_id: str) -> Summary:
        """The public summary of a job. Raises StateError ``no_such_job``."""
        return summary(self.folder(job_id), self._store, self)

    def summaries(self) -> list[Summary]:
        """The public summaries of all jobs, the newest first."""
        summaries = []
        for job in self.jobs():
            with suppress(StateError):  # deleted meanwhile
                summaries.append(self.summary(job.id))
        return summaries


def summary(folder: JobFolder, store: Store, jobs: JobStore) -> Summary:
    """The job summary of ``docs/routes.md``."""
    job = folder.job()
    waits, position = _waiting(job, store, jobs) if job.state is RunState.QUEUED else (None, None)
    heartbeat: dict[str, Any] = folder.heartbeat() or {}
    result = job.result or {}
    return {
        "id": job.id,
        "kind": job.kind.value,
        "by": job.by,
        "state": job.state.value,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "stage": (heartbeat.get("stage") or "loading") if job.state is RunState.RUNNING else None,
        "done": result.get("completions", heartbeat.get("done", 0)),
        "total": heartbeat.get("total") or folder.spec().total,
        "tokens_per_second": heartbeat.get("tokens_per_second"),
        "queue_position": position,
        "waits_for": waits,
        "error": job.error,
        "result": job.result,
    }


def _waiting(job: Job, store: Store, jobs: JobStore) -> tuple[dict[str, str] | None, int | None]:
    """What holds the slot, and the job's place in the queue."""
    active = jobs.active()
    ids = [other.id for other in active if other.state is RunState.QUEUED]
    position = ids.index(job.id) + 1 if job.id in ids else None
    if slot_of(jobs.folder(job.id)) != MACHINE:
        return None, position
    return slot_holder(store, active), position


def slot_holder(store: Store, jobs: Iterable[Job]) -> dict[str, str] | None:
    """What has the machine's slot now, a run or one of the jobs: ``{"kind", "id", "name"}``."""
    if running := store.in_state(RunState.RUNNING):
        return {"kind": "run", "id": running[0].id, "name": running[0].name}
    busy = (job for job in jobs if job.state is RunState.RUNNING and not job.spec.get("beside"))
    return next(({"kind": "job", "id": job.id, "name": job.kind.value} for job in busy), None)
