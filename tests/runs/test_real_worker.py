"""The real worker through the supervisor: killed, resumed, stopped. Pretraining from scratch, since it needs no model."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from lab.core.recipes import Recipe, parse
from lab.runs.processes import family, is_alive
from lab.runs.progress import summary
from lab.runs.supervisor import Supervisor
from lab.runs.watch import run_identity
from lab.store.runs import RunState, Store
from tests.runs.conftest import wait_for, wait_state, wait_step

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE = 180.0


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


def _raw(store: Store, run_id: str) -> list[dict[str, object]]:
    from lab.store.lines import read_lines

    return [line for _, _, line in read_lines(store.folder(run_id).path / "metrics.jsonl")]
