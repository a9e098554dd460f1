"""Jobs on this machine: taken from their queue into the slot, watched, cancelled, settled. For a command: ``job_foreground.py``.

A job needs the same slot as a run. It waits for whatever is going on there, and then goes before runs that are queued: it is short,
and somebody waits for it. Not here: what lies in a job's folder (``lab/store/jobs.py``), what its worker does (``lab/training/worker/jobs.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lab.annotation.rewarded_pairs import decided_in
from lab.core.jobs import SampleSpec, ScoreSpec, Spec
from lab.data.datasets import load
from lab.data.prompts import asked_prompts
from lab.errors import DatasetError, LabError, MachineError, ModelError, StateError
from lab.runs import checks
from lab.runs.launcher import Launcher, is_worker_of
from lab.runs.processes import Identity, identity_of
from lab.runs.slots import slot_path
from lab.runs.watch import Ending, Watched, disk_is_full, last_line, signal_name, size_text
from lab.store.jobs import Job, JobFolder, JobStore
from lab.store.locks import Lock, try_lock
from lab.store.models import resolve, reward_adapter, reward_model_run, writes
from lab.store.runs import RunState, Store
from lab.store.worker_folder import WorkerFolder

Summary = dict[str, Any]


class Jobs:
    """The jobs of a home. What a person asks for may come from any thread; the duties are the supervisor's thread's alone."""

    def __init__(self, store: Store, launcher: Launcher, wake: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._launcher = launcher
        self._wake = wake
        self._jobs = JobStore(store.home)
        self._watched: dict[str, Watched] = {}

    # ---- what a person asks for

    def submit(self, spec: Spec, by: str = "") -> Job:
        """Check what is asked and put it into the queue; ``by`` names who asked. Raises LabError."""
        check_job(spec, self._store)
        job = self._jobs.create(spec, by)
        self._wake()
        return job

    def cancel(self, job_id: str) -> Job:
        """End a job at once, or take it out of the queue; what it has written stays. Raises StateError ``job_already_ended``."""
        cancel(self._jobs.folder(job_id))
        self._wake()
        return self._jobs.job(job_id)

    def delete(self, job_id: str) -> None:
        """Delete an ended job and its folder. Raises StateError ``job_not_ended``."""
        self._jobs.delete(job_id)

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises StateError ``no_such_job``."""
        return self._jobs.job(job_id)

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        return self._jobs.jobs()

    def folder(self, job_id: str) -> JobFolder:
        """The job's folder, with its lines. Raises StateError ``no_such_job`` where the text is no id."""
        return self._jobs.folder(job_id)

    def summary(self, job_id: str) -> Summary:
        """The public summary of a job. Raises StateError ``no_such_job``."""
        return summary(self._jobs.folder(job_id), self._store, self._jobs)

    def summaries(self) -> list[Summary]:
        """Those of all jobs, the newest first."""
        found = []
        for job in self._jobs.jobs():
            with suppress(StateError):  # deleted meanwhile
                found.append(self.summary(job.id))
        return found

    # ---- duties

    @property
    def busy(self) -> bool:
        """Whether a job is going on."""
        return bool(self._watched)

    def adopt(self) -> None:
        """Watch the workers that others started: an earlier life of the app, or a command."""
        for job in self._jobs.active():
            if job.state is not RunState.RUNNING or job.id in self._watched:
                continue
            folder = self._jobs.folder(job.id)
            identity = _noted(folder) or self._find_worker(folder)
            if identity is not None:
                worker = self._launcher.attach(identity)
                self._watched[job.id] = Watched(job.id, worker, folder, job_ending)

    def watch(self) -> None:
        """A glance at each worker; settles those that have ended."""
        for job_id, watched in list(self._watched.items()):
            if (end := watched.look()) is not None:
                self._jobs.folder(job_id).end(end.state, end.error)
                del self._watched[job_id]

    def next(self) -> JobFolder | None:
        """The job whose turn it is."""
        queue = self._jobs.queue()
        return self._jobs.folder(queue[0].id) if queue else None

    def start(self, folder: JobFolder, slot: Lock) -> None:
        """Start the job's worker in the slot."""
        watched = launch(folder, self._launcher, slot)
        if watched is not None:
            self._watched[folder.id] = watched

    def _find_worker(self, folder: JobFolder) -> Identity | None:
        """The worker of a job whose starter was killed before it could note the pid."""
        with try_lock(slot_path(self._store.home)) or Lock(None) as slot:
            if slot.file is not None:  # nobody holds the slot, so there is no worker
                if folder.result() is None:
                    folder.untake()
                return None
        identity = identity_of(int((folder.heartbeat() or {}).get("pid") or 0))
        if identity is None or not is_worker_of(identity, folder):
            return None  # it has not come so far yet
        folder.note_taken(_as_dict(identity))
        return identity


def check_job(spec: Spec, store: Store) -> None:
    """Raise the LabError of the first thing that would make the job fail."""
    if isinstance(spec, ScoreSpec):
        reward_model_run(spec.reward_model, store.home)
        checks.check_model(spec.reward_model, store)
        decided_in(store, spec.collection)
        return
    if not writes(resolve(spec.model, store.home)):
        raise ModelError("model_does_not_write", value=spec.model)
    checks.check_model(spec.model, store)
    if isinstance(spec, SampleSpec):
        prompts = asked_prompts(spec, store.home)
        if not prompts:
            raise DatasetError("job_no_prompts", value=spec.dataset)
        return
    recipe = spec.parsed()
    checks.check_rules(recipe)
    if reward_model := getattr(recipe, "reward_model", ""):
        reward_adapter(reward_model, recipe.model, store.home)
    if spec.collection:
        decided_in(store, spec.collection)
    load(recipe, store.home)


def cancel(folder: JobFolder) -> None:
    """Cancel a job, from any process. Raises StateError ``job_already_ended``."""
    job = folder.job()
    if job.state.ended:
        raise StateError("job_already_ended", job=job.id, state=job.state)
    if job.state is RunState.QUEUED and folder.take(cancelled=True):
        folder.end(RunState.STOPPED)
        return
    folder.request_stop(now=True)


def launch(folder: JobFolder, launcher: Launcher, slot: Lock) -> Watched | None:
    """Start a queued job's worker in the slot. None where it was cancelled meanwhile, or could not be started."""
    try:
        if not folder.take():
            return None
        worker = launcher.launch(folder, slot)
    except OSError as error:
        reason = StateError("job_did_not_start", job=folder.id, reason=error.strerror or error)
        folder.end(RunState.FAILED, reason.as_dict())
        return None
    finally:
        slot.release()  # the worker has it now
    folder.note_taken(_as_dict(worker.identity))
    return Watched(folder.id, worker, folder, job_ending)


def job_ending(folder: WorkerFolder, exit_code: int | None, *, ended_by_us: bool, peak: int | None = None) -> Ending:
    """What became of a job whose process is gone: its own word first (result.json), then how it went."""
    result = folder.result()
    if isinstance(result, dict):
        return Ending(RunState(result["state"]), result.get("error"))
    if ended_by_us:
        return Ending(RunState.STOPPED)
    if exit_code is None:
        return Ending(RunState.LOST, StateError("job_lost").as_dict())
    return Ending(RunState.FAILED, _failure(folder, exit_code, peak).as_dict())


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
    """What goes on in the slot, and the job's place among those that wait."""
    active = jobs.active()
    ids = [other.id for other in active if other.state is RunState.QUEUED]
    position = ids.index(job.id) + 1 if job.id in ids else None
    if running := store.in_state(RunState.RUNNING):
        return {"kind": "run", "id": running[0].id, "name": running[0].name}, position
    busy = next((other for other in active if other.state is RunState.RUNNING), None)
    return {"kind": "job", "id": busy.id, "name": busy.kind.value} if busy else None, position


def _failure(folder: WorkerFolder, exit_code: int, peak: int | None) -> LabError:
    line = last_line(folder.log().text[-4000:])
    if disk_is_full(folder):
        return MachineError("job_disk_full", path=folder.path)
    if exit_code == -9:
        return MachineError("job_out_of_memory", peak=size_text(peak))
    if exit_code < 0:
        return StateError("job_crashed_by_signal", signal=signal_name(-exit_code), line=line)
    return StateError("job_crashed", code=exit_code, line=line)


def _noted(folder: JobFolder) -> Identity | None:
    taken = folder.taken() or {}
    if not isinstance(taken.get("pid"), int) or "pid_started" not in taken or "boot_id" not in taken:
        return None
    return Identity(taken["pid"], taken["pid_started"], taken["boot_id"])


def _as_dict(identity: Identity) -> dict[str, Any]:
    return {"pid": identity.pid, "pid_started": identity.started, "boot_id": identity.boot_id}
