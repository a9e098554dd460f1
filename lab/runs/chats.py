"""Chats as the page and the command line hold them: opening one, asking, stopping an answer, and who has the machine meanwhile.

A chat is a job that stays (``lab/core/chats.py``). Not here: how it answers (``lab/training/worker/chat_job.py``), the queue
(``jobs.py``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lab.core.chats import Ask, ChatSpec
from lab.core.jobs import Kind, parse_job
from lab.errors import InputError, StateError
from lab.runs.job_work import JobWork, check_job
from lab.runs.jobs import Jobs, Summary, slot_holder
from lab.runs.launcher import LocalLauncher
from lab.runs.slots import BESIDE, MACHINE, slot_path
from lab.runs.work import launch
from lab.sandbox.rewards import check_uses
from lab.store.chats import ChatFolder
from lab.store.jobs import Job, JobFolder, JobStore
from lab.store.locks import try_lock
from lab.store.models import reward_model_run
from lab.store.runs import RunState, Store

ROOM_WAIT = 30.0
"""Seconds that the command line waits for a chat to give way."""


class Chats:
    """The chats of a home. One at a time in each slot: whoever opens another one ends the present one."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store, self._jobs = store, jobs
        self._opening = threading.Lock()

    def open(self, values: dict[str, Any], by: str = "") -> Summary:
        """The chat with these models: the one that stands ready, or a new one. Raises LabError."""
        spec = parse_job(Kind.CHAT, values)
        assert isinstance(spec, ChatSpec)
        with self._opening:
            for job in self._alive():
                if job.spec == spec.model_dump(mode="json"):
                    return self._jobs.summary(job.id)
            job = self._jobs.submit(spec, by)  # refused before another one is ended
            for other in self._alive():
                if other.id != job.id:
                    with suppress(StateError):  # it has just ended by itself
                        self._jobs.cancel(other.id)
        return self._jobs.summary(job.id)

    def present(self) -> Summary | None:
        """The chat that stands ready or is being loaded; the newest where there are two."""
        job = next(iter(self._alive()), None)
        return self._jobs.summary(job.id) if job else None

    def ask(self, job_id: str, ask: Ask) -> None:
        """Put a question to a chat. Raises StateError ``chat_ended``; LabError where its scorer cannot be used."""
        folder = self._open_folder(job_id)
        spec = folder.spec()
        assert isinstance(spec, ChatSpec)
        if any(lane.lane >= len(spec.models) for lane in ask.lanes):
            raise InputError("chat_no_lane", count=len(spec.models))
        if wrong := check_uses(ask.rules):
            raise wrong[0]
        if ask.reward_model:
            reward_model_run(ask.reward_model, self._store.home)
        ChatFolder(folder).ask(ask)

    def stop(self, job_id: str, ask_id: str) -> None:
        """End one answer. Raises StateError ``chat_ended``."""
        ChatFolder(self._open_folder(job_id)).stop(ask_id)

    def folder(self, job_id: str) -> ChatFolder:
        """The files of a chat. Raises StateError ``no_such_job``, also where the job is none."""
        folder = self._jobs.folder(job_id)
        if folder.asked()["kind"] != Kind.CHAT:
            raise StateError("no_such_job", job=job_id)
        return ChatFolder(folder)

    def summary(self, job_id: str) -> Summary:
        """The job summary of a chat. Raises StateError ``no_such_job``."""
        return self._jobs.summary(job_id)

    def close(self, job_id: str) -> None:
        """End a chat and its worker at once."""
        self._jobs.cancel(self.folder(job_id).folder.id)

    def holder(self) -> dict[str, str] | None:
        """What has the machine's slot now and will not give way to a chat: ``{"kind", "id", "name"}`` of a run or a job."""
        return slot_holder(self._store, (job for job in self._jobs.jobs() if job.kind is not Kind.CHAT))

    def _alive(self) -> list[Job]:
        return [job for job in self._jobs.jobs() if job.kind is Kind.CHAT and not job.state.ended]

    def _open_folder(self, job_id: str) -> JobFolder:
        folder = self.folder(job_id).folder
        if folder.job().state.ended:
            raise StateError("chat_ended", job=job_id)
        return folder


@contextmanager
def chat_in_foreground(spec: ChatSpec, store: Store) -> Iterator[JobFolder]:
    """A chat of one's own for as long as the context lasts, in its slot; its folder. Raises LabError before the start."""
    check_job(spec, store)
    slot_number = BESIDE if spec.beside else MACHINE
    slot = try_lock(slot_path(store.home, slot_number))
    if slot is None:
        running = store.in_state(RunState.RUNNING)
        name = f"{running[0].name} ({running[0].id})" if running else "–"
        raise StateError("chat_slot_busy" if slot_number == MACHINE else "chat_beside_busy", run=name)
    jobs = JobStore(store.home)
    with slot:
        folder = jobs.folder(jobs.create(spec).id)
        watched = launch(JobWork(folder), LocalLauncher(page=False), slot)
    watching = threading.Thread(target=watched.wait if watched else lambda: None, name="chat", daemon=True)
    watching.start()
    try:
        yield folder
    finally:
        with suppress(StateError):
            JobWork(folder).stop(now=True)
        watching.join()


def make_room(store: Store) -> bool:
    """Ask a chat that holds the machine's slot to end, and wait for that; False where none does, or it did not in time."""
    jobs = JobStore(store.home)
    chats = [job for job in jobs.active() if job.kind is Kind.CHAT and job.state is RunState.RUNNING]
    works = [work for job in chats if (work := JobWork(jobs.folder(job.id))).slot == MACHINE]
    for work in works:
        work.give_way()
    deadline = time.monotonic() + ROOM_WAIT
    while works and time.monotonic() < deadline:
        if (lock := try_lock(slot_path(store.home))) is not None:
            lock.release()
            return True
        time.sleep(0.1)
    return False
