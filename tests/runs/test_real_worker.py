"""The real worker through the supervisor: killed, resumed, stopped; and killed together with the app."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from lab.core.recipes import Recipe, parse, with_values
from lab.runs.processes import family, is_alive
from lab.runs.progress import summary
from lab.runs.run_work import requeue, run_identity, stop
from lab.runs.supervisor import Supervisor
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from tests.runs.conftest import StartApp, wait_for, wait_state, wait_step

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE = 180.0
QUICK: dict[str, Any] = {"steps": 5000, "save_every": 4, "measure_samples": 0, "batch_size": 16, "iterations": 1}


def small(**values: object) -> Recipe:
    few = {"steps": 5000, "batch_size": 4, "save_every": 5, "measure_samples": 0, "warmup_steps": 0}
    return parse({"algorithm": "pretrain", "name": "small", **few, **values})


@pytest.fixture
def supervisor(store: Store) -> Iterator[Supervisor]:
    supervisor = Supervisor(store)
    supervisor.start()
    yield supervisor
    supervisor.close()


def test_killed_resumed_and_stopped(store: Store, supervisor: Supervisor) -> None:
    run = supervisor.submit(small())
    wait_for(lambda: store.folder(run.id).last_checkpoint(), PATIENCE)
    wait_step(store, run, 7)
    pid = store.run(run.id).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    failed = wait_state(store, run, RunState.FAILED)
    assert failed.error and failed.error["key"] == "probably_out_of_memory"
    folder = store.folder(run.id)
    checkpoint = folder.last_checkpoint()
    assert checkpoint
    written = [line["step"] for line in folder.metrics().lines]
    assert written == list(range(1, len(written) + 1)) and len(written) >= checkpoint[0]

    supervisor.resume(run.id)
    wait_for(lambda: any("resumed_from" in line for line in _raw(store, run.id)), PATIENCE)
    wait_for(lambda: len(folder.recent_metrics()) >= 3, PATIENCE)
    assert folder.recent_metrics()[0]["step"] == checkpoint[0] + 1
    supervisor.stop(run.id)
    promised = summary(store.run(run.id), store)["stop_at_step"]
    stopped = wait_state(store, run, RunState.STOPPED)
    shown = summary(stopped, store)
    steps = [line["step"] for line in folder.metrics().lines]
    assert steps == list(range(1, shown["step"] + 1)) and shown["step"] >= (promised or 1)
    assert folder.last_checkpoint() == (shown["step"], folder.checkpoint_path(shown["step"]))
    assert (folder.model_path / "config.json").exists()
    identity = run_identity(stopped)
    assert identity and not is_alive(identity)
    assert not [process for process in family(identity) if process.status() != psutil.STATUS_ZOMBIE]


def test_app_and_worker_killed_together_then_resumed(store: Store, start_app: StartApp) -> None:
    """GRPO in mid-run: nothing that was written is lost, the run can be resumed, and every step stands in the curves once."""
    app = start_app("real")
    run = store.create_run(with_values(load_preset("tiny/grpo").recipe, QUICK))
    folder = store.folder(run.id)
    wait_for(lambda: folder.last_checkpoint(), PATIENCE)
    wait_for(lambda: folder.recent_metrics()[-1]["step"] % QUICK["save_every"] == 1, PATIENCE)
    identity = run_identity(store.run(run.id))
    assert identity
    for pid in (app.pid, identity.pid):
        os.kill(pid, signal.SIGKILL)
    app.wait()
    wait_for(lambda: not is_alive(identity))
    written, checkpoint = steps_of(store, run.id), folder.last_checkpoint()
    assert checkpoint and written == list(range(1, len(written) + 1)) and len(written) >= checkpoint[0]

    start_app("real")
    lost = store.run(run.id)
    assert lost.state is RunState.LOST and lost.state.resumable
    assert lost.error == {"key": "worker_lost", "params": {"step": checkpoint[0]}}
    assert steps_of(store, run.id) == written
    requeue(store, run.id)
    wait_for(lambda: any("resumed_from" in line for line in _raw(store, run.id)), PATIENCE)
    wait_for(lambda: len(folder.recent_metrics()) >= 3, PATIENCE)
    assert folder.recent_metrics()[0]["step"] == checkpoint[0] + 1
    stop(store, run.id)
    stopped = wait_state(store, run, RunState.STOPPED)
    last = summary(stopped, store)["step"]
    assert steps_of(store, run.id) == list(range(1, last + 1))
    steps = [row.step for row in folder.groups_index().rows]
    assert steps == sorted(steps) and set(steps) == set(range(1, last + 1))
    assert len({(row.step, row.group) for row in folder.groups_index().rows}) == len(steps)


def steps_of(store: Store, run_id: str) -> list[int]:
    return [line["step"] for line in store.folder(run_id).metrics().lines]


def _raw(store: Store, run_id: str) -> list[dict[str, object]]:
    from lab.store.lines import read_lines

    return [line for _, _, line in read_lines(store.folder(run_id).path / "metrics.jsonl")]
