"""The worker that waits: it takes a run as any other worker does, never outlives the lab unused, and is never in a run's way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.core.recipes import Recipe, parse
from lab.runs import standby as module
from lab.runs.launcher import is_worker_of
from lab.runs.processes import identity_of
from lab.runs.run_work import RunWork
from lab.runs.slots import slot_path
from lab.runs.standby import StandbyLauncher
from lab.runs.work import Ending, Watched, launch
from lab.store.locks import try_lock
from lab.store.runs import RunState, Store
from tests.runs.conftest import wait_for

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE = 180.0


def small(**values: object) -> Recipe:
    few = {"steps": 3, "batch_size": 4, "save_every": 1000, "measure_samples": 0, "warmup_steps": 0}
    return parse({"algorithm": "pretrain", "name": "small", **few, **values})


@pytest.fixture
def launcher(store: Store) -> Iterator[StandbyLauncher]:
    launcher = StandbyLauncher(store.home)
    yield launcher
    launcher.close()


def waiting(launcher: StandbyLauncher) -> subprocess.Popen[bytes]:
    """The process of the worker that waits, which is started for it."""
    launcher.prepare()
    assert launcher._standby is not None
    return launcher._standby.process


def end_of(watched: Watched) -> Ending:
    ends: list[Ending] = []

    def over() -> bool:
        ends.extend(end for end in [watched.poll()] if end is not None)
        return bool(ends)

    wait_for(over, PATIENCE)
    return ends[0]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_takes_a_run_holds_the_slot_and_outlives_the_lab(store: Store, launcher: StandbyLauncher) -> None:
    process = waiting(launcher)
    run = store.create_run(small(steps=5000))
    folder, path = store.folder(run.id), slot_path(store.home)
    slot = try_lock(path)
    assert slot is not None
    watched = launch(RunWork(store, run), launcher, slot)
    assert watched is not None and watched.worker.identity.pid == process.pid
    launcher.close()
    wait_for(lambda: folder.recent_metrics(), PATIENCE)
    assert try_lock(path) is None, "the worker has the slot"
    assert "training" in folder.log().text
    assert is_worker_of(watched.worker.identity, folder)
    folder.request_stop(now=True, step=0)
    assert end_of(watched).state is RunState.STOPPED and gone(process.pid)
    free = try_lock(path)
    assert free is not None
    free.release()


def test_without_one_that_suits_a_worker_is_started_as_ever(
    store: Store, launcher: StandbyLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was killed, and one that was started in another environment."""
    dead = waiting(launcher)
    dead.kill()
    dead.wait()
    first = store.create_run(small())
    slot = try_lock(slot_path(store.home))
    assert slot is not None
    watched = launch(RunWork(store, first), launcher, slot)
    assert watched is not None and watched.worker.identity.pid != dead.pid
    assert end_of(watched).state is RunState.FINISHED

    unfit = waiting(launcher)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    second = store.create_run(parse({"algorithm": "sft", "model": "tiny", "steps": 1}))
    slot = try_lock(slot_path(store.home))
    assert slot is not None
    worker = launcher.launch(store.folder(second.id), slot)
    slot.release()
    assert worker.identity.pid != unfit.pid and gone(unfit.pid)
    worker.end(gently=False)
    wait_for(worker.ended, PATIENCE)


def test_it_ends_with_the_lab_even_while_it_loads(launcher: StandbyLauncher) -> None:
    """Killed as it may be, the lab's end of the socket closes."""
    process = waiting(launcher)
    standby, launcher._standby = launcher._standby, None
    assert standby is not None
    with standby:
        pass
    assert process.wait(60) == 0


def test_one_that_fails_is_not_tried_again_and_a_small_machine_has_none(
    launcher: StandbyLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: (module.FREE_MEMORY - 1, 8 << 30))
    launcher.prepare()
    assert launcher._standby is None
    monkeypatch.setattr(module, "machine_memory", lambda: (module.FREE_MEMORY, 8 << 30))
    process = waiting(launcher)
    launcher.prepare()
    assert launcher._standby is not None and launcher._standby.process is process
    process.kill()
    process.wait()
    launcher.prepare()
    launcher.prepare()
    assert launcher._standby is None


def test_a_pid_that_was_given_anew_is_nobodys_worker(store: Store, launcher: StandbyLauncher, tmp_path: Path) -> None:
    """A process that began to wait after the heartbeat was written did not write it."""
    run = store.create_run(small())
    folder = store.folder(run.id)
    process = waiting(launcher)
    identity = identity_of(process.pid)
    assert identity is not None
    began = psutil.Process(process.pid).create_time()
    folder.write("heartbeat", {"pid": process.pid, "time": began - 5}, durable=False)
    assert not is_worker_of(identity, folder)
    folder.write("heartbeat", {"pid": process.pid, "time": began + 5}, durable=False)
    assert is_worker_of(identity, folder)
