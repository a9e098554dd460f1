"""An ejected script runs where no lab can be imported, and takes the same steps: its losses are the run's to float precision.

``LAB_TEST_PYTHON`` names another environment's interpreter to run the scripts with, as one that was made from ``requirements.txt`` beside them.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.core.out_jobs import EjectSpec
from lab.store.jobs import Job, JobStore
from lab.store.runs import RunState
from lab.training.eject.compose import script
from lab.training.eject.writing import SCRIPTS
from lab.training.worker.main import work
from tests.training.worker.test_main import make_run

SHORT = {"steps": 3, "measure_samples": 0, "device": "cpu"}
RUNS: dict[str, dict[str, Any]] = {
    "sft": {"training": "full", "batch_size": 8, "micro_batch_size": 4},
    "rm": {"batch_size": 8, "micro_batch_size": 4},
    "dpo": {"batch_size": 8, "micro_batch_size": 4},
    "grpo": {"batch_size": 16, "micro_batch_size": 8, "group_size": 8, "iterations": 1, "beta": 0.02},
    "ppo": {"batch_size": 8, "micro_batch_size": 8, "reward_model": "run:rm", "rules_weight": 0.5, "iterations": 2},
}
"""In order: PPO is rewarded by the reward model before it."""


def eject(run_id: str, home: Path) -> tuple[Path, Job]:
    from lab.training.worker.jobs import work_job

    jobs = JobStore(home)
    folder = jobs.folder(jobs.create(EjectSpec(run=run_id)).id)
    folder.take()
    work_job(folder.path)
    return folder.path / "out", folder.job()


def losses(file: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab_home")


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("algorithm", RUNS)
def test_the_script_gives_the_run_s_losses(home: Path, algorithm: str) -> None:
    path = make_run(home, f"tiny/{algorithm}", algorithm, **SHORT, **RUNS[algorithm])
    assert work(path) == 0, (path / "result.json").read_text()
    folder, job = eject(algorithm, home)
    assert job.state is RunState.FINISHED, job.error
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTHON"))}
    unseen = (
        "import importlib.util, runpy, sys; assert importlib.util.find_spec('lab') is None; sys.path.insert(0, '.')"
    )
    done = subprocess.run(
        [
            os.environ.get("LAB_TEST_PYTHON", sys.executable),
            "-I",
            "-c",
            f"{unseen}; runpy.run_path('train.py', run_name='__main__')",
        ],
        cwd=folder,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    wanted = losses(path / "metrics.jsonl")
    assert len(wanted) == SHORT["steps"]
    assert losses(folder / "losses.jsonl") == pytest.approx(wanted, rel=2e-5, abs=1e-6)
    assert losses(folder / "expected_losses.jsonl") == wanted
    assert any((folder / "model").glob("*.safetensors"))


@pytest.mark.parametrize("algorithm", SCRIPTS)
def test_a_script_is_one_file_that_names_no_lab(algorithm: str) -> None:
    text = script(algorithm, "A run.", {"steps": 3})
    modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not any(str(module).split(".")[0] == "lab" for module in modules)
    compile(text, "train.py", "exec")


@pytest.mark.parametrize("algorithm", SCRIPTS)
def test_every_name_of_a_script_is_defined_in_it(algorithm: str) -> None:
    from pyflakes import api, reporter

    text = script(algorithm, "A run.", {"steps": 3})

    class Heard(reporter.Reporter):
        def __init__(self) -> None:
            super().__init__(sys.stdout, sys.stderr)
            self.found: list[str] = []

        def flake(self, message: Any) -> None:
            self.found.append(str(message))

    heard = Heard()
    api.check(text, "train.py", heard)
    assert [line for line in heard.found if "undefined" in line or "unused" in line] == []


@pytest.mark.train
def test_what_cannot_be_ejected_says_so(home: Path, tmp_path: Path) -> None:
    make_run(home, "tiny/pretrain", "pretrain", steps=1)
    assert (eject("pretrain", home)[1].error or {})["key"] == "eject_algorithm"
    make_run(home, "tiny/grpo", "engine", rollouts="vllm", steps=1)
    assert eject("engine", home)[1].error == {"key": "eject_setting", "params": {"field": "rollouts", "value": "vllm"}}
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n')
    path = make_run(home, "tiny/sft", "changed", dataset=str(rows), steps=1)
    stored = json.loads((path / "recipe.json").read_text())
    (path / "recipe.json").write_text(json.dumps(stored | {"dataset_hash": "sha256:0"}))
    assert (eject("changed", home)[1].error or {})["key"] == "eject_data_changed"
