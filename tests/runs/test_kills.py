"""kill -9 of the worker, of the app, and of both: nothing that was written is lost, and the truth is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil

from lab.runs.launcher import LocalLauncher
from lab.runs.processes import family, is_alive
from lab.runs.run_work import run_identity
from lab.runs.slots import slot_path
from lab.runs.supervisor import Supervisor
from lab.store.locks import try_lock
from lab.store.runs import Run, RunState, Store
from tests.runs.conftest import StartApp, fake_command, recipe, wait_for, wait_state, wait_step


def first_run(store: Store) -> Run:
    return store.runs()[-1]


def steps_of(store: Store, run: Run) -> list[int]:
    return [line["step"] for line in store.folder(run.id).metrics().lines]


def kill_worker(store: Store, run: Run) -> None:
    pid = store.run(run.id).pid
    assert pid
    os.kill(pid, signal.SIGKILL)


def check_resume(store: Store, run: Run, supervisor: Supervisor, steps: int) -> None:
    """It goes on from the checkpoint, and every step stands in the curves once."""
    checkpoint = store.folder(run.id).last_checkpoint()
    assert checkpoint
    supervisor.resume(run.id)
    wait_state(store, run, RunState.RUNNING, RunState.FINISHED)
    wait_step(store, run, checkpoint[0] + 1)
    wait_state(store, run, RunState.FINISHED)
    assert steps_of(store, run) == list(range(1, steps + 1))
    assert [row.step for row in store.folder(run.id).groups_index().rows] == list(range(1, steps + 1))


def test_kill_the_worker(store: Store, supervisor: Supervisor) -> None:
    run = supervisor.submit(recipe(40, seconds=0.05))
    wait_step(store, run, 12)
    kill_worker(store, run)
    failed = wait_state(store, run, RunState.FAILED)
    assert failed.error and failed.error["key"] == "probably_out_of_memory"
    assert "MB" in failed.error["params"]["peak"]
    written = steps_of(store, run)
    assert written == list(range(1, len(written) + 1)) and len(written) >= 12
    check_resume(store, run, supervisor, 40)


def test_kill_the_app_and_the_worker_goes_on(store: Store, start_app: StartApp) -> None:
    app = start_app(60)
    run = first_run(store)
    wait_step(store, run, 5)
    app.kill()
    app.wait()
    seen = len(steps_of(store, run))
    wait_step(store, run, seen + 3)  # nobody watches, it trains
    assert try_lock(slot_path(store.home)) is None, "the worker itself holds the slot"
    start_app(0)
    assert store.run(run.id).state is RunState.RUNNING
    wait_state(store, run, RunState.FINISHED)
    assert steps_of(store, run) == list(range(1, 61))
    second = store.runs()[0]
    wait_state(store, second, RunState.FINISHED)  # the queue survived, too


def test_the_worker_ends_while_no_app_is_there(store: Store, start_app: StartApp) -> None:
    app = start_app(20)
    run = first_run(store)
    wait_step(store, run, 3)
    app.kill()
    app.wait()
    wait_for(lambda: store.folder(run.id).result() is not None)
    identity = run_identity(store.run(run.id))
    assert identity
    wait_for(lambda: not is_alive(identity))
    assert store.run(run.id).state is RunState.RUNNING  # nobody has noticed yet
    start_app(0)
    assert store.run(run.id).state is RunState.FINISHED  # noticed before the app says it is ready
    assert not [process for process in family(identity) if process.status() != psutil.STATUS_ZOMBIE]


def test_kill_both(store: Store, start_app: StartApp) -> None:
    app = start_app(200)
    run = first_run(store)
    wait_step(store, run, 12)
    app.kill()
    app.wait()
    kill_worker(store, run)
    identity = run_identity(store.run(run.id))
    assert identity
    wait_for(lambda: not is_alive(identity))
    written = steps_of(store, run)
    start_app(0)
    lost = store.run(run.id)
    assert lost.state is RunState.LOST
    checkpoint = store.folder(run.id).last_checkpoint()
    assert checkpoint and lost.error == {"key": "worker_lost", "params": {"step": checkpoint[0]}}
    assert steps_of(store, run) == written
    wait_state(store, store.runs()[0], RunState.FINISHED)
    child = int((store.folder(run.id).path / "child").read_text())
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_kill_both_then_resume(store: Store, start_app: StartApp) -> None:
    app = start_app(50)
    run = first_run(store)
    wait_step(store, run, 12)
    app.kill()
    app.wait()
    kill_worker(store, run)
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    wait_for(lambda: not is_alive(run_identity(store.run(run.id))))  # type: ignore[arg-type]
    supervisor.start()
    try:
        assert store.run(run.id).state is RunState.LOST
        check_resume(store, run, supervisor, 50)
    finally:
        supervisor.close()


def test_the_app_dies_between_row_and_process(store: Store) -> None:
    """Killed after the row says *running* and before there is a worker: the run goes back to the queue."""
    run = store.create_run(recipe(3))
    store.change(run.id, state=RunState.RUNNING, started=time.time())
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    supervisor.start()
    try:
        wait_state(store, run, RunState.FINISHED)
    finally:
        supervisor.close()


def test_the_app_dies_before_it_notes_the_pid(store: Store) -> None:
    """Killed after the start of the worker and before its pid is in the row: it is found by its heartbeat."""
    run = store.create_run(recipe(60, seconds=0.05))
    store.change(run.id, state=RunState.RUNNING, started=time.time())
    slot = try_lock(slot_path(store.home))
    assert slot
    worker = LocalLauncher(fake_command).launch(store.folder(run.id), slot)
    slot.release()
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    supervisor.start()
    try:
        wait_for(lambda: store.run(run.id).pid == worker.identity.pid)
        wait_for(worker.ended)
        wait_state(store, run, RunState.FINISHED)
        assert steps_of(store, run) == list(range(1, 61))
    finally:
        supervisor.close()


def test_a_reused_pid_is_not_taken_for_the_worker(store: Store) -> None:
    """The pid in the row belongs to another process now: the run is lost, and that process is left alone."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        run = store.create_run(recipe(3))
        store.change(run.id, state=RunState.RUNNING, pid=other.pid, pid_started=1.0, boot_id=_boot())
        supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
        supervisor.start()
        supervisor.close()
        assert store.run(run.id).state is RunState.LOST
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def _boot() -> str:
    from lab.runs.processes import boot_id

    return boot_id()
