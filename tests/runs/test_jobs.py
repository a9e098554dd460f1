"""Jobs and runs share one slot: who goes first, who waits, what a cancel and a kill leave. With a fake worker, and once with the real one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.core.jobs import SampleSpec
from lab.errors import DatasetError, ModelError, StateError
from lab.runs.foreground import work_in_foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.processes import identity_of
from lab.runs.slots import slot_path
from lab.runs.supervisor import Supervisor
from lab.store.jobs import Job
from lab.store.locks import try_lock
from lab.store.runs import RunState, Store
from tests.runs.conftest import fake_command, recipe, wait_for, wait_state

FAKE = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
spec = json.loads((folder / "job.json").read_text())["spec"]
(folder / "heartbeat").write_text(json.dumps({"pid": os.getpid(), "stage": "sampling", "done": 0, "total": 1}))
(folder / "result.jsonl").write_text('{"text": "x = 5", "tokens": 5}\\n')
seconds, say = spec["temperature"], spec["prompts"][0]["prompt"]
time.sleep(seconds)
if say == "break":
    print("it broke")
    sys.exit(7)
if say == "kill":
    os.kill(os.getpid(), 9)
if say != "vanish":
    (folder / "result.json").write_text(json.dumps({"state": "finished", "error": None, "completions": 1}))
"""


def command(path: Path) -> list[str]:
    if (path / "job.json").exists():
        return [sys.executable, "-c", FAKE, str(path)]
    return fake_command(path)


def asked(say: str = "p", seconds: float = 0.01) -> SampleSpec:
    return SampleSpec(prompts=(say,), completions=1, temperature=seconds)


@pytest.fixture
def supervisor(store: Store) -> Iterator[Supervisor]:
    supervisor = Supervisor(store, launcher=LocalLauncher(command))
    supervisor.start()
    yield supervisor
    for job in supervisor.jobs.jobs():
        if not job.state.ended:
            supervisor.jobs.cancel(job.id)
    wait_for(lambda: all(job.state.ended for job in supervisor.jobs.jobs()))
    supervisor.close()


def ended(supervisor: Supervisor, job: Job) -> Job:
    wait_for(lambda: supervisor.jobs.job(job.id).state.ended)
    return supervisor.jobs.job(job.id)


def test_a_job_is_done(supervisor: Supervisor) -> None:
    job = ended(supervisor, supervisor.jobs.submit(asked(), by="mei"))
    assert (job.state, job.error, job.by) == (RunState.FINISHED, None, "mei")
    assert [line["text"] for line in supervisor.jobs.folder(job.id).lines().lines] == ["x = 5"]
    assert supervisor.jobs.summary(job.id)["done"] == 1


def test_a_job_waits_for_the_run_that_goes_on_and_goes_before_those_that_wait(
    store: Store, supervisor: Supervisor
) -> None:
    running = supervisor.submit(recipe(60, seconds=0.05))
    wait_state(store, running, RunState.RUNNING)
    waiting = supervisor.submit(recipe(3))
    job = supervisor.jobs.submit(asked())
    shown = supervisor.jobs.summary(job.id)
    assert shown["state"] == "queued" and shown["queue_position"] == 1
    assert shown["waits_for"] == {"kind": "run", "id": running.id, "name": "fake 60"}
    supervisor.stop(running.id)
    done = ended(supervisor, job)
    wait_state(store, waiting, RunState.FINISHED)
    assert done.started is not None and done.started < (store.run(waiting.id).started or 0)


def test_a_run_waits_for_a_job(store: Store, supervisor: Supervisor) -> None:
    job = supervisor.jobs.submit(asked(seconds=5))
    wait_for(lambda: supervisor.jobs.job(job.id).state is RunState.RUNNING)
    run, second = supervisor.submit(recipe(3)), supervisor.jobs.submit(asked())
    assert supervisor.jobs.summary(second.id)["waits_for"] == {"kind": "job", "id": job.id, "name": "sample"}
    assert store.run(run.id).state is RunState.QUEUED
    supervisor.jobs.cancel(job.id)
    wait_state(store, run, RunState.FINISHED)


def test_cancelling(supervisor: Supervisor) -> None:
    first = supervisor.jobs.submit(asked(seconds=5))
    wait_for(lambda: supervisor.jobs.folder(first.id).lines().lines)
    second = supervisor.jobs.submit(asked())
    assert supervisor.jobs.cancel(second.id).state is RunState.STOPPED
    supervisor.jobs.cancel(first.id)
    stopped = ended(supervisor, first)
    assert (stopped.state, stopped.error) == (RunState.STOPPED, None)
    assert supervisor.jobs.folder(first.id).lines().lines, "what it wrote stays"
    with pytest.raises(StateError, match="job_already_ended"):
        supervisor.jobs.cancel(first.id)


@pytest.mark.parametrize(
    ("say", "key"), [("break", "job_crashed"), ("kill", "job_out_of_memory"), ("vanish", "job_crashed")]
)
def test_how_a_job_fails(supervisor: Supervisor, say: str, key: str) -> None:
    job = ended(supervisor, supervisor.jobs.submit(asked(say)))
    assert job.state is RunState.FAILED and job.error is not None
    assert job.error["key"] == key
    if say == "break":
        assert job.error["params"] == {"code": 7, "line": "it broke"}


def test_the_app_ends_and_the_worker_goes_on(store: Store, supervisor: Supervisor) -> None:
    job = supervisor.jobs.submit(asked(seconds=3))
    wait_for(lambda: supervisor.jobs.folder(job.id).lines().lines)
    supervisor.close()
    assert try_lock(slot_path(store.home)) is None, "the worker itself holds the slot"
    again = Supervisor(store, launcher=LocalLauncher(command))
    again.start()
    try:
        assert ended(again, job).state is RunState.FINISHED
    finally:
        again.close()


def test_a_worker_that_is_gone_while_nobody_watched_is_lost(store: Store, supervisor: Supervisor) -> None:
    job = supervisor.jobs.submit(asked(seconds=5))
    wait_for(lambda: supervisor.jobs.folder(job.id).lines().lines)
    pid = (supervisor.jobs.folder(job.id).taken() or {})["pid"]
    supervisor.close()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    again = Supervisor(store, launcher=LocalLauncher(command))
    again.start()
    try:
        lost = ended(again, job)
        assert (lost.state, lost.error) == (RunState.LOST, {"key": "job_lost", "params": {}})
    finally:
        again.close()


def test_a_starter_that_died_half_way_gives_the_job_back(store: Store, supervisor: Supervisor) -> None:
    supervisor.close()
    job = supervisor.jobs.submit(asked())
    assert supervisor.jobs.folder(job.id).take()  # and then the power went
    again = Supervisor(store, launcher=LocalLauncher(command))
    again.start()
    try:
        assert ended(again, job).state is RunState.FINISHED
    finally:
        again.close()


def test_what_cannot_be_done_is_refused_before_it_is_queued(supervisor: Supervisor) -> None:
    for spec, error in [
        (SampleSpec(model="run:20260101-000000-abcd", prompts=("p",)), ModelError),
        (SampleSpec(model="run:20260101-000000-abcd@50", prompts=("p",)), ModelError),
        (SampleSpec(dataset="/no/such/file.jsonl"), DatasetError),
    ]:
        with pytest.raises(error):
            supervisor.jobs.submit(spec)
    assert supervisor.jobs.jobs() == []


def test_in_the_foreground_it_takes_the_slot(store: Store) -> None:
    seen: list[str] = []
    launcher = LocalLauncher(command)
    job = work_in_foreground(asked(seconds=0.5), store, lambda now: seen.append(now["state"]), launcher=launcher)
    assert job.state is RunState.FINISHED and seen[-1] == "finished" and "running" in seen
    with try_lock(slot_path(store.home)) or pytest.fail("the slot is free again") as slot:
        assert slot.file is not None
        with pytest.raises(StateError, match="slot_busy_with_a_job"):
            work_in_foreground(asked(), store, launcher=launcher)


@pytest.mark.train
@pytest.mark.slow
def test_the_real_worker_samples_the_shipped_model(store: Store) -> None:
    supervisor = Supervisor(store)
    supervisor.start()
    try:
        spec = SampleSpec(dataset="equations", count=3, completions=4, seed=3)
        job = supervisor.jobs.submit(spec)
        wait_for(lambda: supervisor.jobs.job(job.id).state.ended, 180)
        done = supervisor.jobs.job(job.id)
        assert (done.state, done.error) == (RunState.FINISHED, None), supervisor.jobs.folder(job.id).log().text
        lines = supervisor.jobs.folder(job.id).lines().lines
        assert {(line["prompt_number"], line["completion_number"]) for line in lines} == {
            (prompt, number) for prompt in range(3) for number in range(4)
        }
        assert all(line["text"] and line["answer"] and 0 < line["tokens"] <= 40 for line in lines)
        assert done.result is not None and done.result["tokens_generated"] == sum(line["tokens"] for line in lines)
        pid = (supervisor.jobs.folder(job.id).taken() or {})["pid"]
        wait_for(lambda: identity_of(pid) is None)
    finally:
        supervisor.close()
