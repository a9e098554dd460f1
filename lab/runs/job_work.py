"""A job as ``Work``: its state is what lies in its folder; and what can be known to fail before it is queued.

Not here: the life that runs and jobs share (``work.py``), what lies in a job's folder (``lab/store/jobs.py``), what its worker does
(``lab/training/worker/jobs.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.annotation.rewarded_pairs import decided_in
from lab.core.chats import ChatSpec
from lab.core.jobs import Kind, SampleSpec, ScoreSpec, Spec
from lab.core.out_jobs import EjectSpec, OutSpec
from lab.data.datasets import load
from lab.data.prompts import asked_prompts
from lab.errors import DatasetError, ModelError
from lab.runs import checks
from lab.runs.leaving import check_leaving
from lab.runs.processes import Identity
from lab.runs.slots import BESIDE, MACHINE
from lab.runs.work import Ending, ErrorKeys, Work
from lab.store.jobs import JobFolder, JobStore
from lab.store.models import resolve, reward_adapter, reward_model_run, writes
from lab.store.runs import RunState, Store


class JobWork(Work):
    """A job of the home. The file system decides who takes it, so its state changes once whoever asks."""

    keys = ErrorKeys(
        not_running="job_already_ended",
        not_started="job_did_not_start",
        lost="job_lost",
        disk_full="job_disk_full",
        out_of_memory="job_out_of_memory",
        signalled="job_crashed_by_signal",
        crashed="job_crashed",
    )
    stops_at_step = False
    folder: JobFolder

    def __init__(self, folder: JobFolder) -> None:
        super().__init__(folder.id, folder, {"job": folder.id})
        self.slot = slot_of(folder)

    def state(self) -> RunState:
        return self.folder.job().state

    def begin(self) -> bool:
        return self.folder.take()

    def leave_queue(self) -> bool:
        if not self.folder.take(cancelled=True):
            return False
        self.folder.end(RunState.STOPPED)
        return True

    def return_to_queue(self) -> None:
        self.folder.untake()

    def identity(self) -> Identity | None:
        return Identity.of(self.folder.taken() or {})

    def note(self, identity: Identity) -> bool:
        self.folder.note_taken(identity.as_values())
        return True

    def end(self, ending: Ending, *, of: Identity | None, certain: bool = True) -> None:
        """See ``Work.end``. A job is never resumed, so there is one attempt; what its worker wrote itself stands."""
        self.folder.end(ending.state, ending.error)

    def give_way(self) -> None:
        """Ask a chat to end after its present answer, since somebody waits for the machine. Other jobs end by themselves."""
        if self.folder.asked()["kind"] == Kind.CHAT and not self.folder.stop_requested():
            self.folder.request_stop(now=False)


class JobQueue:
    """The jobs of a home that need one slot."""

    def __init__(self, jobs: JobStore, slot: int = MACHINE) -> None:
        self._jobs, self._slot = jobs, slot

    def running(self) -> Iterator[JobWork]:
        """The jobs that run, with their worker noted or not."""
        works = (JobWork(self._jobs.folder(job.id)) for job in self._jobs.active() if job.state is RunState.RUNNING)
        return (work for work in works if work.slot == self._slot)

    def next(self) -> JobWork | None:
        """The job whose turn it is."""
        works = (JobWork(self._jobs.folder(job.id)) for job in self._jobs.queue())
        return next((work for work in works if work.slot == self._slot), None)


def slot_of(folder: JobFolder) -> int:
    """The slot that a job needs."""
    return BESIDE if folder.asked()["spec"].get("beside") else MACHINE


def check_job(spec: Spec, store: Store) -> None:
    """Raise the LabError of the first thing that would make the job fail."""
    if isinstance(spec, ChatSpec):
        for model in spec.models:
            _check_writer(model, store)
        return
    if isinstance(spec, ScoreSpec):
        reward_model_run(spec.reward_model, store.home)
        checks.check_model(spec.reward_model, store)
        decided_in(store, spec.collection)
        return
    if isinstance(spec, OutSpec | EjectSpec):
        check_leaving(spec, store)
        return
    _check_writer(spec.model, store)
    if isinstance(spec, SampleSpec):
        prompts = asked_prompts(spec, store.home)
        if not prompts:
            raise DatasetError("job_no_prompts", value=spec.dataset)
        return
    recipe = spec.parsed()
    checks.check_rules(recipe)
    if recipe.reward_run:
        reward_adapter(recipe.reward_run, recipe.model, store.home)
    if spec.collection:
        decided_in(store, spec.collection)
    load(recipe, store.home)


def _check_writer(model: str, store: Store) -> None:
    if not writes(resolve(model, store.home)):
        raise ModelError("model_does_not_write", value=model)
    checks.check_model(model, store)
