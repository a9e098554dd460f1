"""A run of two processes, as the lab starts it: it trains, stops, resumes, and ends with a sentence where one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lab.core.recipes import parse
from lab.errors import MachineError
from lab.store.run_folder import RunFolder
from lab.training.worker import team
from lab.training.worker.torchrun import death, share_threads
from lab.words import word
from tests.training.worker.test_main import make_run, start, steps_of

PATIENCE = 600
"""Seconds that a run of two processes may take on a machine that does other things as well."""
TWO = {"processes": 2, "batch_size": 16, "measure_samples": 16, "group_size": 4, "iterations": 2, "save_every": 3}


@pytest.mark.train
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "more", [{}, {"training": "lora", "shard_base": True, "load_in_4bit": True}], ids=["whole", "sharded"]
)
def test_two_processes_stop_between_two_updates_of_a_rollout_and_go_on(tmp_path: Path, more: dict[str, Any]) -> None:
    path = make_run(tmp_path, "tiny/grpo", **TWO, **more)
    (path / "stop").write_text("{}")
    result = ended(path, 3)
    assert result["state"] == "stopped" and steps_of(path) == [1]
    checkpoint = path / "checkpoints" / "step-1"
    own = {file.name for file in checkpoint.glob("*.safetensors")}
    assert {"rollout.safetensors", "rollout.1.safetensors", "random.1.safetensors"} <= own
    RunFolder(path).prepare_resume()
    result = ended(path, 0)
    assert result["state"] == "finished" and steps_of(path) == [1, 2, 3, 4]
    assert (path / "model" / "adapter_model.safetensors").exists()
    lines = RunFolder(path).group_lines(1, 4)
    assert [(line["step"], line["group"]) for line in lines] == [(step, group) for step in (1, 3) for group in range(4)]
    log = (path / "log.txt").read_text()
    assert log.count("step 1/4") == 1, "one process tells of what both do"
    assert "Traceback" not in log


@pytest.mark.train
@pytest.mark.timeout(1500)
def test_the_death_of_a_process_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    path = make_run(tmp_path, "tiny/sft", steps=100_000, processes=2, measure_samples=0)
    worker = start(path)
    wait_for(lambda: steps_of(path), PATIENCE)
    assert (RunFolder(path).heartbeat() or {})["pid"] == worker.pid, "the lab finds the process that it started"
    children = psutil.Process(worker.pid).children()
    assert len(children) == 2
    children[1].send_signal(signal.SIGKILL)
    assert worker.wait(timeout=120) == 1
    assert not any(child.is_running() for child in children)
    error = json.loads((path / "result.json").read_text())["error"]
    assert error["key"] == "process_died" and error["params"]["signal"] == "SIGKILL"
    assert "SIGKILL" in word(error, "en") and "SIGKILL" in word(error, "zh")


@pytest.mark.train
@pytest.mark.timeout(1500)
def test_processes_do_not_outlive_the_worker_that_started_them(tmp_path: Path) -> None:
    path = make_run(tmp_path, "tiny/sft", steps=100_000, processes=2, measure_samples=0)
    worker = start(path)
    wait_for(lambda: steps_of(path), PATIENCE)
    children = psutil.Process(worker.pid).children()
    worker.kill()
    worker.wait()
    wait_for(lambda: not any(child.is_running() for child in children), 60)


def test_a_run_refuses_to_begin_in_fewer_processes_than_were_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(MachineError) as error:
        team.join(2)
    assert (error.value.key, error.value.params["there"]) == ("processes_promised", 1)
    team.join(1)
    assert (team.rank(), team.size(), team.is_leader()) == (0, 1, True)


def test_the_one_that_was_killed_is_named_and_not_those_ended_afterwards() -> None:
    failures = {0: SimpleNamespace(exitcode=-signal.SIGTERM), 1: SimpleNamespace(exitcode=-signal.SIGKILL)}
    died = death(failures, 2)
    assert died is not None and died.params == {"number": 2, "processes": 2, "signal": "SIGKILL"}
    assert death({0: SimpleNamespace(exitcode=1), 1: SimpleNamespace(exitcode=-signal.SIGTERM)}, 2) is None


def test_the_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, processes, each in (("8", 2, "4"), ("1", 2, "1"), ("7", 3, "2")):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        share_threads(processes)
        assert os.environ["OMP_NUM_THREADS"] == each


@pytest.mark.parametrize("algorithm", ["sft", "grpo"])
def test_passes_are_of_one_process_and_micro_batches_of_all(algorithm: str) -> None:
    recipe = parse({"algorithm": algorithm, "batch_size": 32, "micro_batch_size": 8, "processes": 2})
    assert (recipe.rows_per_pass, recipe.rows_per_micro_batch) == (8, 16)


def ended(path: Path, status: int) -> dict[str, Any]:
    """The result of a run, once its worker has exited with this status. Three processes load their libraries first."""
    assert start(path).wait(timeout=PATIENCE) == status, (path / "log.txt").read_text()[-3000:]
    result: dict[str, Any] = json.loads((path / "result.json").read_text())
    return result


def wait_for(condition: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.2)
