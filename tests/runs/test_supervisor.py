"""The supervisor with a fake worker in real processes: queue, stop, resume, and every way to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from lab.errors import StartError, StateError
from lab.runs import work
from lab.runs.launcher import LocalLauncher, LocalWorker, worker_environment
from lab.runs.processes import Identity
from lab.runs.progress import summary
from lab.runs.run_work import NO_WORKER, RunWork, requeue, settle_gone
from lab.runs.slots import slot_path
from lab.runs.supervisor import Supervisor
from lab.store.locks import try_lock
from lab.store.runs import Run, RunState, Store
from tests.runs.conftest import NOBODY, fake_command, recipe, wait_for, wait_state, wait_step


def steps_of(store: Store, run_id: str) -> list[int]:
    return [line["step"] for line in store.folder(run_id).metrics().lines]


def test_a_run_finishes(store: Store, supervisor: Supervisor) -> None:
    run = supervisor.submit(recipe(5))
    ended = wait_state(store, run, RunState.FINISHED)
    assert steps_of(store, run.id) == [1, 2, 3, 4, 5]
    assert ended.started and ended.ended and ended.error is None
    shown = summary(ended, store)
    assert (shown["step"], shown["steps"], shown["has_groups"]) == (5, 5, True)
    assert shown["result"]["state"] == "finished"


def test_one_slot_and_the_queue_in_order(store: Store, supervisor: Supervisor) -> None:
    runs = [supervisor.submit(recipe(4)) for _ in range(3)]
    assert summary(store.run(runs[2].id), store)["queue_position"] in (2, 3)
    ended = [wait_state(store, run, RunState.FINISHED) for run in runs]
    for earlier, later in pairwise(ended):
        assert earlier.ended and later.started and later.started >= earlier.ended


def test_stop_at_the_step_and_resume(store: Store, supervisor: Supervisor) -> None:
    run = supervisor.submit(recipe(60, seconds=0.05))
    wait_step(store, run, 3)
    supervisor.stop(run.id)
    stopped = wait_state(store, run, RunState.STOPPED)
    at = steps_of(store, run.id)[-1]
    assert summary(stopped, store)["step"] == at < 60
    resumed = supervisor.resume(run.id)
    assert resumed.id == run.id and resumed.error is None
    wait_state(store, run, RunState.FINISHED)
    assert steps_of(store, run.id) == list(range(1, 61))
    assert [row.step for row in store.folder(run.id).groups_index().rows] == list(range(1, 61))
    assert (store.folder(run.id).path / "result.1.json").exists()


def test_stop_now_ends_the_whole_family(store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "KILL_AFTER", 0.5)
    run = supervisor.submit(recipe(1000, seconds=0.05, child=True, deaf=True))
    wait_step(store, run, 2)
    pid = store.run(run.id).pid
    child = int((store.folder(run.id).path / "child").read_text())
    supervisor.stop(run.id, now=True)
    wait_state(store, run, RunState.STOPPED)
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    assert pid and not psutil.pid_exists(pid)


def test_a_finished_worker_leaves_no_child(store: Store, supervisor: Supervisor) -> None:
    run = supervisor.submit(recipe(3, child=True))
    wait_state(store, run, RunState.FINISHED)
    child = int((store.folder(run.id).path / "child").read_text())
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("how", "key"),
    [
        ({"code": 1, "say": "ValueError: boom"}, "worker_crashed"),
        ({"code": 1, "say": "OSError: [Errno 28] No space left on device"}, "disk_full"),
        ({"signal": signal.SIGKILL}, "probably_out_of_memory"),
        ({"signal": signal.SIGTERM}, "worker_was_ended"),
        ({"signal": signal.SIGSEGV}, "worker_crashed_by_signal"),
        ({"code": 0}, "worker_left_no_result"),
    ],
)
def test_how_a_worker_fails(store: Store, supervisor: Supervisor, how: dict[str, object], key: str) -> None:
    run = supervisor.submit(recipe(5, crash_at=2, **how))
    failed = wait_state(store, run, RunState.FAILED)
    assert failed.error and failed.error["key"] == key
    if key == "worker_crashed":
        assert failed.error["params"] == {"code": 1, "line": "ValueError: boom"}
    assert steps_of(store, run.id) == [1, 2]


def test_a_worker_that_cannot_start(store: Store) -> None:
    supervisor = Supervisor(store, launcher=LocalLauncher(lambda path: ["/nowhere/python", str(path)]))
    supervisor.start()
    try:
        run = supervisor.submit(recipe())
        failed = wait_state(store, run, RunState.FAILED)
        assert failed.error and failed.error["key"] == "worker_did_not_start"
        assert try_lock(slot_path(store.home)), "the slot is free again"
    finally:
        supervisor.close()


def test_cancel_delete_and_what_is_refused(store: Store, supervisor: Supervisor) -> None:
    running = supervisor.submit(recipe(1000, seconds=0.05))
    queued = supervisor.submit(recipe())
    supervisor.cancel(queued.id)
    assert store.run(queued.id).state is RunState.STOPPED
    wait_state(store, running, RunState.RUNNING)
    for call, key in [
        (lambda: supervisor.cancel(running.id), "run_not_queued"),
        (lambda: supervisor.delete(running.id), "run_not_ended"),
        (lambda: supervisor.resume(running.id), "run_not_resumable"),
        (lambda: supervisor.stop(queued.id), "run_already_ended"),
        (lambda: supervisor.stop("20260101-000000-aaaa"), "no_such_run"),
    ]:
        with pytest.raises(StateError) as caught:
            call()
        assert caught.value.key == key
    supervisor.delete(queued.id)
    assert not (store.home / "runs" / queued.id).exists()
    supervisor.stop(running.id)
    wait_state(store, running, RunState.STOPPED)


def test_a_second_supervisor_is_refused(store: Store, supervisor: Supervisor) -> None:
    with pytest.raises(StartError) as caught:
        Supervisor(store).start()
    assert caught.value.key == "home_in_use"


def test_the_thread_outlives_an_exception(
    store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[bool] = []

    def broken() -> list[object]:
        raised.append(True)
        raise RuntimeError("no database for a moment")

    monkeypatch.setattr(store, "queue", broken)
    run = supervisor.submit(recipe(3))
    wait_for(lambda: bool(raised))
    monkeypatch.undo()
    wait_state(store, run, RunState.FINISHED)


def test_a_worker_knows_little_of_our_environment(
    store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    run = supervisor.submit(recipe(1000, seconds=0.05))
    wait_step(store, run, 1)
    pid = store.run(run.id).pid
    environment = psutil.Process(pid).environ()
    assert not {"LAB_PASSWORD", "HF_TOKEN"} & environment.keys() and environment["TOKENIZERS_PARALLELISM"] == "false"
    assert psutil.Process(pid).nice() == 19
    if (group := Path(f"/proc/{pid}/autogroup")).exists():  # the share of its session, where Linux shares by session
        assert group.read_text().split()[-1] == "19"
    supervisor.stop(run.id, now=True)
    wait_state(store, run, RunState.STOPPED)


def test_what_chooses_a_device_or_finds_a_cache_reaches_a_worker(tmp_path: Path) -> None:
    wanted = {
        *("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
        *("HSA_OVERRIDE_GFX_VERSION", "BNB_CUDA_VERSION", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "TORCH_HOME"),
        *("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "https_proxy"),
        *("ALL_PROXY", "NO_PROXY", "HF_ENDPOINT"),
    }
    secret = {"HF_TOKEN", "HF_HUB_TOKEN", "LAB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "TORCH_API_KEY"}
    given = dict.fromkeys(wanted | secret | {"PYTHONSTARTUP", "EDITOR"}, "x")
    kept = worker_environment(tmp_path, given, threads=2).keys()
    assert wanted <= kept
    assert not (secret | {"PYTHONSTARTUP", "EDITOR"}) & kept


PRODUCTS = """
import psutil, torch
from torch.nn import functional
torch.set_num_threads(2)
weight, rows = torch.randn(512, 96, dtype=torch.bfloat16), torch.randn(600, 96, dtype=torch.bfloat16)
with torch.no_grad():
    functional.linear(rows, weight)
    before = psutil.Process().memory_info().rss
    for count in range(100, 500):
        functional.linear(rows[:count], weight)
    print((psutil.Process().memory_info().rss - before) / 400)
"""


def test_a_worker_does_not_keep_a_kernel_for_each_shape_that_its_rows_have_had(tmp_path: Path) -> None:
    """oneDNN's take 0.3 to 0.7 MB each, and its two caches hold 1,024: a run on a CPU grew by up to two gigabytes."""

    def bytes_a_shape(environment: dict[str, str]) -> float:
        command = [sys.executable, "-c", PRODUCTS]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    given = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}
    bounded = worker_environment(tmp_path, given, threads=2)
    assert bytes_a_shape(bounded) < 250_000
    more = {"LRU_CACHE_CAPACITY": "1024", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1024"}
    assert more.items() <= worker_environment(tmp_path, given | more, threads=2).items(), "a person may choose"


class BrokenLauncher(LocalLauncher):
    """One under which nothing may be started."""

    def launch(self, *_: object) -> LocalWorker:
        raise AssertionError("started all the same")


def locked(*_: object, **__: object) -> bool:
    raise OperationalError("UPDATE runs", {}, Exception("database is locked"))


def test_the_slot_is_let_go_where_the_row_cannot_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create_run(recipe())
    slot = try_lock(slot_path(store.home))
    assert slot
    monkeypatch.setattr(store, "change", locked)
    with pytest.raises(OperationalError):
        work.launch(RunWork(store, run), BrokenLauncher(), slot)
    free = try_lock(slot_path(store.home))
    assert free, "else every run would stay queued"
    free.release()


def test_a_run_that_finished_unnoticed_is_not_started_again(store: Store) -> None:
    """The app died between the worker's start and the note of its pid, and the worker finished meanwhile."""
    run = store.create_run(recipe())
    store.change(run.id, state=RunState.RUNNING, **NO_WORKER)
    store.folder(run.id).write("result.json", {"state": "finished", "error": None, "steps": 5})
    supervisor = Supervisor(store, launcher=BrokenLauncher())
    supervisor.start()
    supervisor.close()
    assert store.run(run.id).state is RunState.FINISHED


def test_a_command_settles_a_run_without_a_noted_worker(store: Store) -> None:
    finished, never = store.create_run(recipe()), store.create_run(recipe())
    for run in (finished, never):
        store.change(run.id, state=RunState.RUNNING)
    store.folder(finished.id).write("result.json", {"state": "finished", "error": None, "steps": 5})
    settle_gone(store)
    assert store.run(finished.id).state is RunState.FINISHED
    assert store.run(never.id).state is RunState.QUEUED


def test_an_ending_belongs_to_one_attempt(store: Store) -> None:
    """What is seen late of an attempt says nothing of the next one."""
    run = store.create_run(recipe())
    first, second = Identity(NOBODY, 1.0, "boot"), Identity(NOBODY, 2.0, "boot")
    store.change(run.id, state=RunState.LOST, **first.as_values())
    requeue(store, run.id)
    store.change(run.id, state=RunState.RUNNING, **second.as_values())
    late, attempt = work.Ending(RunState.FAILED), RunWork(store, run)
    attempt.end(late, of=first)
    attempt.end(late, of=None)
    assert store.run(run.id).state is RunState.RUNNING
    attempt.end(late, of=second)
    assert store.run(run.id).state is RunState.FAILED


def test_of_two_that_resume_at_once_only_one_touches_the_folder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create_run(recipe())
    store.change(run.id, state=RunState.STOPPED)
    stale = store.run(run.id)  # what the slower one read
    requeue(store, run.id)
    store.change(run.id, state=RunState.RUNNING)
    folder = store.folder(run.id)
    folder.write("heartbeat", {"pid": NOBODY})
    folder.request_stop()
    monkeypatch.setattr(store, "run", lambda _id: stale)
    with pytest.raises(StateError) as caught:
        requeue(store, run.id)
    assert caught.value.key == "run_not_resumable"
    assert folder.heartbeat() and folder.stop_requested()


def test_a_resume_whose_folder_cannot_be_made_ready_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    run = store.create_run(recipe())
    store.change(run.id, state=RunState.STOPPED)
    monkeypatch.setattr(store.folder(run.id), "prepare_resume", full)
    with pytest.raises(OSError):
        requeue(store, run.id)
    assert store.run(run.id).state is RunState.STOPPED


def test_it_starts_beside_a_database_that_is_locked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page opens, and the supervisor tries again."""
    run = store.create_run(recipe(3))
    store.change(run.id, state=RunState.RUNNING, pid=NOBODY, pid_started=1.0, boot_id="an earlier boot")
    queued = store.create_run(recipe(3))
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    monkeypatch.setattr(store, "change", locked)
    supervisor.start()
    try:
        monkeypatch.undo()
        wait_state(store, run, RunState.LOST)
        wait_state(store, queued, RunState.FINISHED)
    finally:
        supervisor.close()


class OfGuests:
    """Every run whose name begins with "fake 1" is a guest's."""

    def next(self, queue: Sequence[Run]) -> Run | None:
        return queue[0] if queue else None

    def is_light(self, run_id: str) -> bool:
        return run_id in self.light

    def __init__(self) -> None:
        self.light: set[str] = set()


def test_two_light_runs_go_on_at_once_and_nothing_beside_a_heavy_one(
    store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.runs.supervisor.cores", lambda: 2)
    monkeypatch.setattr("lab.runs.supervisor.machine_memory", lambda: (8 << 30, 8 << 30))
    turns = OfGuests()
    supervisor.take_turns(turns)
    light = [supervisor.submit(recipe(40, seconds=0.05), noted=lambda run: turns.light.add(run.id)) for _ in range(3)]
    heavy = supervisor.submit(recipe(3))
    wait_for(lambda: len(store.in_state(RunState.RUNNING)) == 2)
    assert {run.id for run in store.in_state(RunState.RUNNING)} == {light[0].id, light[1].id}
    ended = [wait_state(store, run, RunState.FINISHED) for run in (*light, heavy)]
    assert ended[3].started and all(run.ended and run.ended <= ended[3].started for run in ended[:3])


def test_where_the_memory_is_short_light_runs_go_one_by_one(
    store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.runs.supervisor.cores", lambda: 2)
    monkeypatch.setattr("lab.runs.supervisor.machine_memory", lambda: (1 << 30, 8 << 30))
    turns = OfGuests()
    supervisor.take_turns(turns)
    light = [supervisor.submit(recipe(4), noted=lambda run: turns.light.add(run.id)) for _ in range(2)]
    first, second = [wait_state(store, run, RunState.FINISHED) for run in light]
    assert first.ended and second.started and second.started >= first.ended
