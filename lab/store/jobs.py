"""Jobs: folders of ``LAB_HOME/jobs``. A job's state is read from its folder and from nothing else, so it holds through any restart.

``taken`` is made once, by whoever starts the job or cancels it while it waits: the file system decides who was first. Not here: when a
job runs and how it is watched (``lab/runs/jobs.py``); what it may ask for (``lab/core/jobs.py``).
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.jobs import Kind, Spec, kind_of, parse_job
from lab.errors import StateError
from lab.store.lines import read_json, write_json
from lab.store.runs import RunState, new_run_id, valid_run_id
from lab.store.worker_folder import LinesPage, WorkerFolder, page_after

KEPT = 50
"""Ended jobs that are kept; older ones are deleted."""
SWEPT_AFTER = 60.0


@dataclass(frozen=True)
class Job:
    """One job, as its folder tells. Times are seconds since 1970."""

    id: str
    kind: Kind
    by: str
    spec: dict[str, Any]
    state: RunState
    created: float
    started: float | None
    ended: float | None
    error: dict[str, Any] | None  # {"key", "params"}
    result: dict[str, Any] | None  # result.json


class JobFolder(WorkerFolder):
    """The folder of one job. It is made with all that was asked in it; the worker adds ``result.jsonl`` and ``result.json``."""

    @property
    def id(self) -> str:
        """The job's id, which is the folder's name."""
        return self.path.name

    def asked(self) -> dict[str, Any]:
        """job.json. Raises StateError ``no_such_job`` where the folder holds none."""
        asked = self._read("job.json")
        if not isinstance(asked, dict):
            raise StateError("no_such_job", job=self.id)
        return asked

    def spec(self) -> Spec:
        """What was asked, validated anew."""
        asked = self.asked()
        return parse_job(asked["kind"], asked["spec"])

    def job(self) -> Job:
        """The job as it stands now. Raises StateError ``no_such_job``."""
        asked, result, taken = self.asked(), self.result(), self.taken()
        state = RunState.RUNNING if taken is not None else RunState.QUEUED
        if isinstance(result, dict):
            state = RunState(result["state"])
        started = (taken or {}).get("time")
        return Job(
            id=self.id,
            kind=Kind(asked["kind"]),
            by=str(asked.get("by", "")),
            spec=asked["spec"],
            state=state,
            created=float(asked["created"]),
            started=None if (taken or {}).get("cancelled") else started,
            ended=_changed(self.path / "result.json") if state.ended else None,
            error=result.get("error") if isinstance(result, dict) else None,
            result=result if isinstance(result, dict) else None,
        )

    def lines(self, since: int = 0) -> LinesPage:
        """The lines of result.jsonl from byte ``since`` on."""
        return page_after(self.path / "result.jsonl", since)

    # ---- who has it

    def taken(self) -> dict[str, Any] | None:
        """``{"time", "pid", "pid_started", "boot_id"}`` of whoever has it; only a time while its worker is being started."""
        if not (self.path / "taken").exists():
            return None
        holder = read_json(self.path / "taken")
        return holder if isinstance(holder, dict) else {}

    def take(self, *, cancelled: bool = False) -> bool:
        """Begin it, or cancel it while it waits; False where somebody else was first."""
        try:
            file = os.open(self.path / "taken", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except FileNotFoundError:
            raise StateError("no_such_job", job=self.id) from None
        os.close(file)
        self.note_taken({"cancelled": True} if cancelled else {})
        return True

    def note_taken(self, worker: dict[str, Any]) -> None:
        """Record who has it now."""
        self.write("taken", {"time": (self.taken() or {}).get("time", time.time()), **worker})

    def untake(self) -> None:
        """Put a job that was taken and never started back into the queue."""
        (self.path / "taken").unlink(missing_ok=True)

    def end(self, state: RunState, error: dict[str, Any] | None = None) -> None:
        """Write the result of a job whose worker wrote none."""
        if self.result() is None:
            self.write("result.json", {"state": state.value, "error": error})


class JobStore:
    """The jobs of a home. Safe for many threads and many processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "jobs"
        self.path.mkdir(parents=True, exist_ok=True)
        self._folders: dict[str, JobFolder] = {}
        self._ended: set[str] = set()  # an end is for good: these need not be looked at again
        self._lock = threading.Lock()
        for rest in self.path.glob(".*"):  # half made or half deleted, and not just now by another process
            if time.time() - (_changed(rest) or 0.0) > SWEPT_AFTER:
                shutil.rmtree(rest, ignore_errors=True)

    def create(self, spec: Spec, by: str = "") -> Job:
        """A new job at the end of the queue. Old ended ones go. Raises MachineError ``disk_full``."""
        self.forget_old()
        now = time.time()
        job_id = new_run_id(now)
        draft = self.path / f".{job_id}"
        draft.mkdir()
        asked = {"version": 1, "id": job_id, "kind": kind_of(spec).value, "created": now, "by": by}
        try:
            write_json(draft / "job.json", {**asked, "spec": spec.model_dump(mode="json")})
            draft.rename(self.path / job_id)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return self.job(job_id)

    def folder(self, job_id: str) -> JobFolder:
        """The job's folder; the same object for all. Raises StateError ``no_such_job`` where the text is no id."""
        if not valid_run_id(job_id):
            raise StateError("no_such_job", job=str(job_id)[:64])
        with self._lock:
            folder = self._folders.get(job_id) or JobFolder(self.path / job_id)
            if folder.path.is_dir():
                self._folders[job_id] = folder
            return folder

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises StateError ``no_such_job``."""
        return self.folder(job_id).job()

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        return sorted(self._read(self._ids()), key=lambda job: (job.created, job.id), reverse=True)

    def active(self) -> list[Job]:
        """Those that run or wait, the oldest first. Cheap: it is asked several times a second."""
        jobs = self._read(job_id for job_id in self._ids() if job_id not in self._ended)
        self._ended.update(job.id for job in jobs if job.state.ended)
        return sorted((job for job in jobs if not job.state.ended), key=lambda job: (job.created, job.id))

    def queue(self) -> list[Job]:
        """Those that wait, the next one first."""
        return [job for job in self.active() if job.state is RunState.QUEUED]

    def delete(self, job_id: str) -> None:
        """Delete an ended job. Raises StateError ``job_not_ended``."""
        job = self.job(job_id)
        if not job.state.ended:
            raise StateError("job_not_ended", job=job.id, state=job.state)
        aside = self.path / f".deleted-{job.id}"
        with suppress(FileNotFoundError):
            (self.path / job.id).rename(aside)  # first hidden: after a crash the next start deletes the rest
        with self._lock:
            self._folders.pop(job.id, None)
        self._ended.discard(job.id)
        shutil.rmtree(aside, ignore_errors=True)

    def forget_old(self, kept: int = KEPT) -> None:
        """Delete all but the latest ended jobs."""
        ended = [job for job in self.jobs() if job.state.ended]
        for job in ended[kept:]:
            with suppress(StateError, OSError):
                self.delete(job.id)

    def _ids(self) -> list[str]:
        return [entry.name for entry in os.scandir(self.path) if valid_run_id(entry.name)]

    def _read(self, ids: Any) -> list[Job]:
        jobs = []
        for job_id in ids:
            with suppress(StateError):  # deleted meanwhile
                jobs.append(self.job(job_id))
        return jobs


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
