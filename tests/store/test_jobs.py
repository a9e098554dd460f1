"""A job's state is what its folder says: queued, taken once, ended once, kept for a while."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from lab.core.jobs import SampleSpec, parse_job, preflight_of
from lab.errors import StateError
from lab.store import jobs as module
from lab.store.jobs import JobStore
from lab.store.presets import load_preset
from lab.store.runs import RunState

SPEC = SampleSpec(prompts=("Solve 3x + 5 = 20",), completions=2)


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path)


def test_from_queued_to_ended(jobs: JobStore) -> None:
    job = jobs.create(SPEC, by="mei")
    assert (job.state, job.by, job.started, job.ended) == (RunState.QUEUED, "mei", None, None)
    folder = jobs.folder(job.id)
    assert folder.spec() == SPEC
    assert folder.take()
    folder.note_taken({"pid": 1, "pid_started": 2.0, "boot_id": "b"})
    running = jobs.job(job.id)
    assert running.state is RunState.RUNNING and running.started is not None and running.started >= job.created
    folder.end(RunState.LOST, StateError("job_lost").as_dict())
    lost = jobs.job(job.id)
    assert (lost.state, lost.error) == (RunState.LOST, {"key": "job_lost", "params": {}})
    assert lost.ended is not None and lost.ended >= lost.created


def test_a_restart_sees_the_same(jobs: JobStore, tmp_path: Path) -> None:
    first, second = jobs.create(SPEC), jobs.create(preflight_of(load_preset("tiny/grpo").recipe))
    jobs.folder(first.id).take()
    again = JobStore(tmp_path)
    assert [job.id for job in again.queue()] == [second.id]
    assert [(job.id, job.state) for job in again.active()] == [
        (first.id, RunState.RUNNING),
        (second.id, RunState.QUEUED),
    ]
    assert parse_job("preflight", again.job(second.id).spec) == again.folder(second.id).spec()


def test_only_one_takes_a_job(jobs: JobStore) -> None:
    folder = jobs.folder(jobs.create(SPEC).id)
    start, won = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        won.append(folder.take())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    folder.untake()
    assert folder.job().state is RunState.QUEUED and folder.take()


def test_an_end_is_written_once(jobs: JobStore) -> None:
    folder = jobs.folder(jobs.create(SPEC).id)
    folder.take()
    folder.write("result.json", {"state": "finished", "error": None, "completions": 2})
    folder.end(RunState.FAILED, StateError("job_lost").as_dict())
    assert folder.job().state is RunState.FINISHED


def test_only_ended_jobs_are_deleted(jobs: JobStore) -> None:
    job = jobs.create(SPEC)
    with pytest.raises(StateError, match="job_not_ended"):
        jobs.delete(job.id)
    jobs.folder(job.id).end(RunState.STOPPED)
    jobs.delete(job.id)
    with pytest.raises(StateError, match="no_such_job"):
        jobs.job(job.id)
    assert list(jobs.path.iterdir()) == []


def test_old_ended_jobs_go_and_the_others_stay(jobs: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.time()
    monkeypatch.setattr(module, "KEPT", 3)
    ids = []
    for number in range(6):
        monkeypatch.setattr(module.time, "time", lambda number=number: clock + number)
        ids.append(jobs.create(SPEC).id)
        if number != 1:
            jobs.folder(ids[-1]).end(RunState.STOPPED)
    jobs.forget_old(3)
    assert {job.id for job in jobs.jobs()} == {ids[1], *ids[3:]}


def test_half_made_folders_are_swept_later(jobs: JobStore, tmp_path: Path) -> None:
    fresh, old = jobs.path / ".20261122-000000-aaaa", jobs.path / ".20261122-000000-bbbb"
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    assert JobStore(tmp_path).jobs() == []
    assert fresh.exists() and not old.exists()


@pytest.mark.parametrize("name", ["", "..", "../runs", "20260101-000000-abcd/..", "x" * 300, "20260101-000000-abcd"])
def test_names_from_outside(jobs: JobStore, name: str) -> None:
    with pytest.raises(StateError, match="no_such_job"):
        jobs.job(name)
