"""The worker, as a real process: every tiny preset runs, stops, resumes, and leaves a folder that anyone can read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.core.recipes import with_values
from lab.store.presets import load_preset
from lab.store.run_folder import RunFolder
from lab.training.measure import heldout
from lab.training.task import Task
from lab.training.worker.main import work
from lab.training.worker.reporter import Reporter

pytestmark = pytest.mark.train

FEW = {"steps": 4, "measure_samples": 32, "save_every": 2}


def make_run(home: Path, preset: str, run_id: str = "one", **changes) -> Path:
    once = {"iterations": 1} if preset == "tiny/grpo" else {}  # every step a rollout of its own
    recipe = with_values(load_preset(preset).recipe, FEW | once | changes)
    path = home / "runs" / run_id
    path.mkdir(parents=True, exist_ok=True)
    (path / "recipe.json").write_text(json.dumps({"version": 1, "recipe": recipe.model_dump(mode="json")}))
    return path


def start(path: Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    log = (path / "log.txt").open("ab")
    return subprocess.Popen([sys.executable, "-m", "lab.training", str(path)], env=environment, stdout=log, stderr=log)


def finish(path: Path, expected: int = 0) -> dict:
    worker = start(path)
    code = worker.wait(timeout=200)
    assert code == expected, (path / "log.txt").read_text()[-3000:]
    return json.loads((path / "result.json").read_text())


def steps_of(path: Path) -> list[int]:
    return [line["step"] for line in RunFolder(path).metrics().lines if "held_out" not in line]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> dict[str, Path]:
    """One finished run of every tiny preset, each through a process of its own."""
    home = tmp_path_factory.mktemp("lab_home")
    runs = {
        "pretrain": make_run(home, "tiny/pretrain", "pretrain", measure_every=2),
        "sft": make_run(home, "tiny/sft", "sft", measure_every=2),
        "grpo": make_run(home, "tiny/grpo", "grpo", measure_every=2, beta=0.01),
    }
    for path in runs.values():
        finish(path)
    return runs


@pytest.mark.timeout(400)
@pytest.mark.parametrize("algorithm", ["pretrain", "sft", "grpo"])
def test_every_tiny_preset_runs_to_its_end(finished, algorithm):
    path = finished[algorithm]
    result = json.loads((path / "result.json").read_text())
    assert result["state"] == "finished"
    assert result["steps"] == 4
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 50_000_000
    assert result["tokens_trained"] > 0
    assert 0 <= result["after"]["pass_at_1"] <= 1
    assert steps_of(path) == [1, 2, 3, 4]
    held_out = [line["step"] for line in RunFolder(path).metrics().lines if "held_out" in line]
    assert held_out == ([2, 4] if algorithm == "pretrain" else [0, 2, 4])


@pytest.mark.parametrize("algorithm", ["pretrain", "sft", "grpo"])
def test_a_saved_model_loads_in_plain_transformers(finished, algorithm):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(finished[algorithm] / "model")
    model = AutoModelForCausalLM.from_pretrained(finished[algorithm] / "model")
    question = [{"role": "user", "content": "Solve 3x + 5 = 20"}]
    ids = tokenizer.apply_chat_template(question, return_tensors="pt", add_generation_prompt=True, return_dict=True)
    assert model.generate(**ids, max_new_tokens=4).shape[1] > ids["input_ids"].shape[1]


def test_groups_are_on_disk_and_hold_together(finished):
    folder = RunFolder(finished["grpo"])
    result = folder.result()
    assert result["tokens_generated"] > 0
    assert 1e-6 < abs(result["kl_from_start"]) < 5, "the policy moved, and not far in four steps"
    lines = folder.group_lines(1, 4)
    assert [(line["step"], line["group"]) for line in lines] == [(s, g) for s in range(1, 5) for g in range(8)]
    metrics = {line["step"]: line for line in folder.metrics().lines if "held_out" not in line}
    for step in range(1, 5):
        completions = [c for line in lines if line["step"] == step for c in line["completions"]]
        assert len(completions) == 64
        assert metrics[step]["kept_share"] == sum(c["kept"] for c in completions) / 64
        assert metrics[step]["reward"] == pytest.approx(sum(c["reward"] for c in completions) / 64, abs=1e-4)
        for completion in completions:
            assert (completion["ref_logp"] is not None) == completion["kept"]
            assert completion["reward"] == pytest.approx(sum(completion["scores"].values()))


@pytest.mark.parametrize(("algorithm", "groups"), [("grpo", 2), ("ppo", 8)])
def test_the_first_groups_are_there_before_the_start_is_measured(tmp_path, monkeypatch, algorithm, groups):
    """A person waits for them. The model is the start all the same: a fresh adapter's second matrix is 0 until the first update."""
    path = make_run(tmp_path, f"tiny/{algorithm}", batch_size=16, steps=2, seed=3)
    found = []
    measure = Task.measure_start

    def measured(task: Task) -> None:
        moved = sum(float(p.detach().abs().sum()) for name, p in task.model.named_parameters() if "lora_B" in name)
        heartbeat = RunFolder(path).heartbeat()
        found.append((len(RunFolder(path).group_lines(1, 1)), moved, task.reporter.step, heartbeat["stage"]))
        measure(task)

    monkeypatch.setattr(Task, "measure_start", measured)
    assert work(path) == 0
    assert found == [(groups, 0.0, 0, "measuring_before")]
    folder = RunFolder(path)
    start, *_ = folder.metrics().lines
    assert (start["step"], start["tokens_generated"], start["tokens_trained"]) == (0, 0, 0)
    assert start["held_out"] == folder.before() == folder.result()["before"]


@pytest.mark.parametrize("algorithm", ["pretrain", "sft", "grpo"])
def test_a_stop_waits_for_the_step_and_resume_gives_what_would_have_been(finished, tmp_path, algorithm):
    more = {"beta": 0.01} if algorithm == "grpo" else {}
    stopped = make_run(tmp_path, f"tiny/{algorithm}", "stopped", measure_every=2, **more)
    (stopped / "stop").write_text("{}")
    assert work(stopped) == 3
    assert RunFolder(stopped).result()["state"] == "stopped"
    assert steps_of(stopped) == [1]
    assert (stopped / "model").is_dir()
    first = RunFolder(stopped).result()
    RunFolder(stopped).prepare_resume()
    assert work(stopped) == 0
    assert steps_of(stopped) == [1, 2, 3, 4]
    spent, whole = RunFolder(stopped).result(), RunFolder(finished[algorithm]).result()
    assert spent["seconds"] > first["seconds"]
    for name in ("tokens_generated", "tokens_trained"):
        assert (spent[name], spent[name] > first[name]) == (whole[name], whole[name] > 0), "every attempt counts"
    straight, resumed = (
        [line["loss"] for line in RunFolder(path).metrics().lines if "held_out" not in line]
        for path in (finished[algorithm], stopped)
    )
    assert resumed == straight, "bit for bit"


@pytest.mark.parametrize("algorithm", ["sft", "rm", "grpo", "ppo"])
def test_a_run_that_died_after_its_last_step_saves_what_it_trained(tmp_path, algorithm):
    small = {"batch_size": 16} if algorithm in ("grpo", "ppo") else {}
    path = make_run(tmp_path, f"tiny/{algorithm}", steps=2, save_every=2, measure_samples=0, **small)
    assert work(path) == 0
    (weights,) = (path / "model").glob("*model.safetensors")
    before = weights.read_bytes()
    shutil.rmtree(path / "model")
    (path / "result.json").unlink()
    assert work(path) == 0
    result = RunFolder(path).result()
    assert result["state"] == "finished" and result["weights_changed"] is True and steps_of(path) == [1, 2]
    assert weights.read_bytes() == before, "what was trained, and not the start"


@pytest.mark.timeout(300)
def test_a_killed_worker_resumes_from_its_last_checkpoint(tmp_path):
    path = make_run(tmp_path, "tiny/grpo", steps=200)
    worker = start(path)
    deadline = time.monotonic() + 150
    while (RunFolder(path).last_checkpoint() or (0,))[0] < 4:
        assert time.monotonic() < deadline
        assert worker.poll() is None, (path / "log.txt").read_text()[-3000:]
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    written = steps_of(path)
    assert written == list(range(1, len(written) + 1)), "nothing that was written is lost"
    checkpoint = RunFolder(path).last_checkpoint()[0]
    make_run(tmp_path, "tiny/grpo", steps=checkpoint + 3)
    assert work(path) == 0
    assert steps_of(path) == list(range(1, checkpoint + 4))
    groups = [line["step"] for line in RunFolder(path).group_lines(1, checkpoint + 3)]
    assert groups == sorted(groups)
    assert len(groups) == 8 * (checkpoint + 3)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model": "/nowhere/model"}, "model_missing"),
        ({"dataset": "/nowhere/rows.jsonl"}, "dataset_missing"),
        ({"rules": [{"name": "no_such_rule"}]}, "rule_unknown"),
        ({"device": "cuda"}, "device_missing"),
    ],
)
def test_what_cannot_be_used_fails_with_its_key(tmp_path, changes, key):
    import torch

    if key == "device_missing" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    path = make_run(tmp_path, "tiny/grpo", **changes)
    assert work(path) == 1
    result = RunFolder(path).result()
    assert result["state"] == "failed"
    assert result["error"]["key"] == key


def test_a_chain_trains_a_copy_of_the_adapter_and_a_full_model_from_it(finished):
    home = finished["grpo"].parents[1]
    second = make_run(home, "tiny/grpo", "second", model="run:grpo", beta=0.02)
    assert work(second) == 0
    assert 1e-6 < abs(RunFolder(second).result()["kl_from_start"]) < 5
    config = json.loads((second / "model" / "adapter_config.json").read_text())
    assert config["r"] == 16
    third = make_run(home, "tiny/sft", "third", model="run:second")
    assert work(third) == 0
    assert not (third / "model" / "adapter_config.json").exists(), "a full run makes a new base"


def test_the_last_stage_shows_how_far_answers_and_kl_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The KL takes as long as the answers; it was waited for at 100 %."""
    monkeypatch.setattr(heldout, "BATCH", 8)
    path = make_run(tmp_path, "tiny/grpo", steps=2, measure_samples=16)
    seen: list[tuple[str, float | None]] = []
    noted = Reporter.__setattr__

    def note(reporter: Reporter, name: str, value: object) -> None:
        noted(reporter, name, value)
        if name == "stage_fraction":
            seen.append((reporter.stage, value))

    monkeypatch.setattr(Reporter, "__setattr__", note)
    assert work(path) == 0
    assert [share for stage, share in seen if stage == "measuring_after"] == [None, 0.25, 0.5, 0.75, 1.0]
