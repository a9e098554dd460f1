"""Runs on a real Ray cluster, `ray start` on this machine: what they compute, how they stop and go on, and what becomes of them where something dies."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.core.recipes import Recipe, with_values
from lab.runs.foreground import Place, take_slot, train_in_foreground
from lab.runs.foreground_study import study_in_foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.ray.cluster import RayCluster, take_cluster_slot
from lab.runs.ray.launcher import RayLauncher
from lab.runs.ray.note import noted
from lab.runs.run_work import run_identity
from lab.runs.supervisor import Supervisor
from lab.settings import RaySettings
from lab.store.presets import load_preset
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store
from lab.words import word
from tests.runs.ray.clusters import Cluster, free_port, wait_for
from tests.runs.test_studies import study

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -r requirements-ray.txt"),
]
FEW = {"steps": 4, "measure_samples": 8, "save_every": 2, "measure_every": 0}
LONG = {"steps": 200, "measure_samples": 8, "save_every": 50, "measure_every": 0}
CLOCKS = ("time", "seconds", "tokens_per_second", "reward_seconds", "reward_share")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "home")
    yield store
    store.close()


@contextmanager
def cluster_of(*cpus: int) -> Iterator[Cluster]:
    cluster = Cluster(cpus[0])
    try:
        for more in cpus[1:]:
            cluster.add_node(more)
        yield cluster
    finally:
        cluster.close()


@contextmanager
def app(store: Store, cluster: Cluster) -> Iterator[Supervisor]:
    supervisor = Supervisor(store, cluster=RayCluster(cluster.settings, store))
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.close()


def recipe(preset: str, **changes: Any) -> Recipe:
    return with_values(load_preset(preset).recipe, changes)


class Hurried(LocalLauncher):
    """Nobody waits for a page here."""

    gives_way = False


def here(store: Store, wanted: Recipe, processes: int = 1) -> Run:
    """The same recipe on this machine, each process on one thread."""
    place = Place(Hurried(page=False), take_slot)
    return train_in_foreground(wanted, store, where=place, threads=processes)


def lines(store: Store, run: Run) -> list[dict[str, Any]]:
    """The metrics of a run without its clocks."""
    kept = store.folder(run.id).metrics().lines
    return [
        {name: value for name, value in line.items() if name not in CLOCKS and not name.startswith("time/")}
        for line in kept
    ]


def log(store: Store, run: Run) -> str:
    return store.folder(run.id).log_path.read_text()


def ended(store: Store, run: Run, state: RunState = RunState.FINISHED) -> Run:
    wait_for(lambda: store.run(run.id).state.ended)
    run = store.run(run.id)
    assert run.state is state, f"{run.state} {run.error}\n{log(store, run)[-3000:]}"
    return run


def step_of(store: Store, run: Run) -> int:
    folder = store.folder(run.id)
    assert not store.run(run.id).state.ended, f"{store.run(run.id).error}\n{log(store, run)[-3000:]}"
    return max((line.get("step", 0) for line in folder.metrics().lines), default=0)


def checkpoint_of(store: Store, run: Run) -> int:
    return (store.folder(run.id).last_checkpoint() or (0, None))[0]


def test_a_run_stops_goes_on_dies_and_outlives_the_app_with_the_losses_of_a_local_one(store: Store) -> None:
    wanted = recipe("tiny/sft", **LONG)
    with cluster_of(1) as cluster:
        with app(store, cluster) as supervisor:
            run = supervisor.submit(wanted)
            wait_for(lambda: step_of(store, run) >= 20)
            assert noted(store.folder(run.id))["nodes"], "the folder names its node"
            (worker,) = cluster.workers()
            assert str(store.home) not in " ".join(worker.cmdline()), "it works in a folder of its own"
            supervisor.stop(run.id)
            ended(store, run, RunState.STOPPED)
            folder = store.folder(run.id)
            stopped_at = (folder.last_checkpoint() or (0, None))[0]
            assert folder.result()["steps"] == stopped_at and 20 <= stopped_at < 200

            supervisor.resume(run.id)
            wait_for(lambda: step_of(store, run) > stopped_at + 50 and checkpoint_of(store, run) > stopped_at)
            cluster.workers()[0].send_signal(signal.SIGKILL)
            error = ended(store, run, RunState.FAILED).error
            assert error is not None and error["key"] == "probably_out_of_memory", "the words of a local worker's death"
            assert checkpoint_of(store, run) % 50 == 0, "it goes on from one that came back before it died"

            supervisor.resume(run.id)
            wait_for(cluster.workers)
            proxy = wait_for(lambda: run_identity(store.run(run.id)))
        with app(store, cluster) as supervisor:  # the app was closed, and is started again
            assert run_identity(store.run(run.id)) == proxy
            ended(store, run)
        wait_for(lambda: not list(cluster.cache(0).glob("runs/*")), 60)
    one = here(store, wanted)
    assert without_tokens(lines(store, run)) == without_tokens(lines(store, one))
    assert weights(store, run) == weights(store, one), "the same to the last bit"


def without_tokens(of_run: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps that were done again after a death count twice among the tokens."""
    return [{name: value for name, value in line.items() if name != "tokens_trained"} for line in of_run]


def weights(store: Store, run: Run) -> bytes:
    return next(store.folder(run.id).model_path.glob("*.safetensors")).read_bytes()


def test_stop_now_and_a_worker_that_was_not_watched(store: Store) -> None:
    with cluster_of(1) as cluster, app(store, cluster) as supervisor:
        run = supervisor.submit(recipe("tiny/sft", **LONG | {"steps": 100_000}))
        wait_for(lambda: step_of(store, run) >= 5)
        wait_for(lambda: (store.folder(run.id).heartbeat() or {}).get("memory_bytes", 0) > 100_000_000)
        supervisor.stop(run.id, now=True)
        ended(store, run, RunState.STOPPED)
        wait_for(lambda: not cluster.workers(), 30)

        supervisor.resume(run.id)
        wait_for(lambda: {"resumed_from": 0} in raw_lines(store.folder(run.id)) and step_of(store, run) >= 5)
        proxy = run_identity(store.run(run.id))
        assert proxy is not None
        psutil.Process(proxy.pid).kill()
        error = ended(store, run, RunState.LOST).error
        assert error is not None and error["key"] == "worker_lost" and cluster.workers(), (
            "the job goes on without its proxy"
        )
        job = noted(store.folder(run.id))["attempt"]
        supervisor.resume(run.id)
        wait_for(lambda: f"goes on with job {job}" in log(store, run))
        before = step_of(store, run)
        wait_for(lambda: step_of(store, run) > before + 5)
        supervisor.stop(run.id)
        ended(store, run, RunState.STOPPED)
        steps = [line["step"] for line in store.folder(run.id).metrics().lines if "held_out" not in line]
        assert steps == list(range(1, steps[-1] + 1)), "no line was lost, and none came twice"


def test_stop_now_ends_the_job_of_a_proxy_that_does_not_listen(store: Store) -> None:
    with cluster_of(1) as cluster, app(store, cluster) as supervisor:
        run = supervisor.submit(recipe("tiny/sft", **LONG | {"steps": 100_000}))
        wait_for(lambda: step_of(store, run) >= 3)
        proxy = run_identity(store.run(run.id))
        assert proxy is not None
        psutil.Process(proxy.pid).suspend()
        supervisor.stop(run.id, now=True)
        ended(store, run, RunState.STOPPED)
        wait_for(lambda: not cluster.workers(), 180)


def test_the_head_dies_and_another_one_takes_the_run_up(store: Store) -> None:
    wanted = recipe("tiny/sft", **LONG | {"steps": 2000})
    with cluster_of(1) as cluster, app(store, cluster) as supervisor:
        run = supervisor.submit(wanted)
        wait_for(lambda: step_of(store, run) >= 60 and store.folder(run.id).last_checkpoint())
        cluster.kill()
        error = ended(store, run, RunState.FAILED).error
        assert error is not None and error["key"] == "ray_gone"
        assert cluster.settings.address in word(error, "en") and cluster.settings.address in word(error, "zh")
        wait_for(lambda: not cluster.workers(), 30)
        assert wait_for(lambda: (supervisor.cluster.shown() or {}).get("error"), 120)["key"] == "ray_no_answer"
        first = (store.folder(run.id).last_checkpoint() or (0, None))[0]
        assert first >= 50

        cluster.start_head(1)
        supervisor.resume(run.id)
        wait_for(lambda: {"resumed_from": first} in raw_lines(store.folder(run.id)) and step_of(store, run) > first + 5)
        supervisor.stop(run.id)
        ended(store, run, RunState.STOPPED)


def raw_lines(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]


def test_as_many_runs_as_the_cluster_holds_and_each_file_once(store: Store, tmp_path: Path) -> None:
    rows = tmp_path / "own rows.jsonl"
    rows.write_text("".join(f'{{"prompt": "{n} + 1 =", "completion": "{n + 1}"}}\n' for n in range(200)))
    start = here(store, recipe("tiny/sft", **FEW | {"training": "lora"}))
    wanted = recipe("tiny/sft", **LONG | {"dataset": str(rows), "model": f"run:{start.id}", "training": "lora"})
    with cluster_of(2) as cluster, app(store, cluster) as supervisor:
        runs = [supervisor.submit(wanted) for _ in range(3)]
        wait_for(lambda: all(step_of(store, run) for run in runs[:2]))
        assert store.run(runs[2].id).state is RunState.QUEUED, "two CPUs hold two runs"
        shown = wait_for(lambda: (figures := supervisor.cluster.shown()) and figures["cpus_free"] == 0 and figures)
        assert shown["cpus"] == 2 and shown["nodes"] == 1
        for run in runs:
            ended(store, run)
        kept = list(cluster.cache(0).glob("files/*"))
        assert sum(path.read_bytes() == rows.read_bytes() for path in kept) == 1
        sent = [
            int(line.split(",")[1].split()[0])
            for run in runs
            for line in log(store, run).splitlines()
            if "bytes of them sent" in line
        ]
        adapter = (store.folder(start.id).model_path / "adapter_model.safetensors").stat().st_size
        assert max(sent) > adapter > 10 * sent[2], "the third run's node has all but its recipe"
    config = (store.folder(runs[0].id).model_path / "adapter_config.json").read_text()
    assert str(cluster.folder) not in config, "a node's paths do not stay in what came back"
    assert store.folder(runs[0].id).recipe()["recipe"]["dataset"] == str(rows)
    alone = here(store, wanted)
    assert lines(store, runs[0]) == lines(store, alone) == lines(store, runs[2])


def test_a_study_goes_out_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster_of(2) as cluster:
        monkeypatch.setenv("LAB_RAY_ADDRESS", cluster.settings.address)
        outcome = study_in_foreground(study(), store)
    assert outcome.complete, [event.why for event in outcome.failed]
    sft, dpo, grpo = (member.run for member in outcome.members)
    assert sft is not None and dpo is not None and grpo is not None
    placed = [noted(store.folder(run.id))["placed"] for run in (sft, dpo, grpo)]
    assert all(placed) and max(placed[1:]) < min(store.run(run.id).ended or 0 for run in (dpo, grpo)), "side by side"


def test_nobody_answers(store: Store) -> None:
    settings = RaySettings(f"ray://127.0.0.1:{free_port()}")
    place = Place(RayLauncher(settings), take_cluster_slot, here=False)
    run = train_in_foreground(recipe("tiny/sft", **FEW), store, where=place)
    assert run.state is RunState.FAILED and run.error is not None and run.error["key"] == "ray_no_answer"
    assert settings.address in word(run.error, "en")


TWO = {"processes": 2, "batch_size": 16, "micro_batch_size": 4}
KEPT_ONLY = {"group_size": 4, "iterations": 2, "threshold": {"kind": "above_mean"}, "skip_no_spread": True}


@pytest.mark.parametrize("nodes", [(2,), (1, 1)], ids=["one node", "two nodes"])
def test_two_processes_on_the_cluster_are_two_processes_here(store: Store, nodes: tuple[int, ...]) -> None:
    sft = recipe("tiny/sft", **FEW | TWO)
    grpo = recipe("tiny/grpo", **FEW | TWO | KEPT_ONLY)
    with cluster_of(*nodes) as cluster, app(store, cluster) as supervisor:
        there = [supervisor.submit(each) for each in (sft, grpo)]
        for run in there:
            ended(store, run)
        places = noted(store.folder(there[0].id))["nodes"]
        assert len(places) == 2 and all(list(cluster.cache(node).glob("files/*")) for node in range(len(nodes)))
    for run, wanted in zip(there, (sft, grpo), strict=True):
        local = here(store, wanted, processes=2)
        assert lines(store, run) == lines(store, local)
        assert weights(store, run) == weights(store, local)
        _, checkpoint = store.folder(run.id).last_checkpoint() or (0, Path())
        assert (checkpoint / "random.1.safetensors").exists(), "the other process's part of a checkpoint"
    alone = here(store, with_values(sft, {"processes": 1}))
    for two, one in zip(lines(store, there[0]), lines(store, alone), strict=True):
        for name in ("loss", "grad_norm") if "loss" in one else ():
            assert two[name] == pytest.approx(one[name], rel=2e-4, abs=2e-6)


def test_the_death_of_one_of_two_processes_ends_the_run_with_a_sentence(store: Store) -> None:
    with cluster_of(1, 1) as cluster, app(store, cluster) as supervisor:
        run = supervisor.submit(recipe("tiny/sft", **LONG | TWO | {"steps": 100_000}))
        wait_for(lambda: step_of(store, run) >= 3)
        cluster.workers(rank=1)[0].kill()
        error = ended(store, run, RunState.FAILED).error
        assert error is not None and error["key"] == "process_died" and error["params"]["signal"] == "SIGKILL"
        wait_for(lambda: not cluster.workers(), 30)
