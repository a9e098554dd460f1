"""What is written of a run loads without the lab and writes the lab's greedy text, for every algorithm and way of training.

The runs are in this process. All that was written is loaded in one other process, which cannot see the lab.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.core.out_jobs import OutSpec
from lab.store.jobs import Job, JobStore
from lab.store.models import SHIPPED
from lab.store.runs import RunState
from lab.training.out import writing
from lab.training.worker.main import work
from tests.training.worker.test_main import make_run

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(900)]

SHORT = {"steps": 3, "measure_samples": 16, "device": "cpu", "learning_rate": 0.01}
TRAININGS: dict[str, dict[str, Any]] = {
    "lora": {"training": "lora"},
    "nf4": {"training": "lora", "load_in_4bit": True},
    "full": {"training": "full"},
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "sft": {"batch_size": 16},
    "dpo": {"batch_size": 8},
    "grpo": {"batch_size": 32, "group_size": 8},
    "ppo": {"batch_size": 8, "reward_model": ""},
    "rm": {"batch_size": 8},
}
MATRIX = [(name, kind) for name in ALGORITHMS for kind in TRAININGS if (name, kind) != ("ppo", "full")]
"""PPO's roles are adapters on one base. Of a reward model the scores are compared, of the others greedy texts."""
LOOP = """
import contextlib, io, importlib.util, json, runpy, sys
assert importlib.util.find_spec("lab") is None
found = {}
for folder in sys.argv[1:]:
    told = io.StringIO()
    sys.argv = ["check.py"]
    with contextlib.redirect_stdout(told):
        try:
            runpy.run_path(folder + "/check.py", run_name="__main__")
        except SystemExit as ended:
            code = ended.code
    found[folder] = {"code": code, **json.loads(told.getvalue().strip().splitlines()[-1])}
print(json.dumps(found))
"""


def out(run_id: str, home: Path, **asked: Any) -> tuple[Path, Job]:
    from lab.training.worker.jobs import work_job

    jobs = JobStore(home)
    folder = jobs.folder(jobs.create(OutSpec(run=run_id, **asked)).id)
    folder.take()
    work_job(folder.path)
    return folder.path / "out", folder.job()


def alone(folders: list[Path]) -> dict[str, dict[str, Any]]:
    """What each folder's ``check.py`` gives, without the lab."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOOP, *map(str, folders)],
        cwd=folders[0].parent,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every algorithm in every way of training."""
    home = tmp_path_factory.mktemp("lab_home")
    for name, kind in MATRIX:
        path = make_run(home, f"tiny/{name}", f"{name}-{kind}", **SHORT, **ALGORITHMS[name], **TRAININGS[kind])
        assert work(path) == 0, (path / "result.json").read_text()
    return home


def test_every_run_writes_the_same_text_without_the_lab(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_check", lambda *_: {"same": 0, "of": 0})  # all of them at once, below
    folders = {}
    for name, kind in MATRIX:
        for merge in (False, True):
            folder, job = out(f"{name}-{kind}", home, merge=merge)
            assert job.state is RunState.FINISHED, (name, kind, merge, job.error)
            folders[folder] = f"{name}-{kind}{'-merged' if merge else ''}"
            adapter = (folder / "adapter_config.json").exists()
            assert adapter == (not merge and kind != "full")
            for file in folder.rglob("*"):  # no path of this machine, anywhere
                if file.suffix in (".json", ".md", ".jinja") or file.name == "Modelfile":
                    text = file.read_text("utf-8")
                    assert str(home) not in text and str(SHIPPED["tiny"]) not in text, file
    found = alone(list(folders))
    different = {folders[Path(folder)]: each for folder, each in found.items() if each["code"] or not each["of"]}
    assert different == {}


@pytest.mark.parametrize("kind", ["lora", "nf4"])
def test_merged_logits_are_those_of_base_and_adapter(home: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stated bound: 1e-4 in fp32, on logits of about 10; also where the run had its base in 4 bits."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(writing, "_check", lambda *_: {"same": 0, "of": 0})
    folder, _ = out(f"dpo-{kind}", home, merge=True)
    merged = AutoModelForCausalLM.from_pretrained(folder)
    assert merged.dtype is torch.float32
    base = AutoModelForCausalLM.from_pretrained(SHIPPED["tiny"], dtype=torch.float32)
    ids = torch.randint(4, 280, (4, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone = base(ids).logits
        both = PeftModel.from_pretrained(base, home / "runs" / f"dpo-{kind}" / "model").eval()(ids).logits
        assert (merged(ids).logits - both).abs().max() < 1e-4
        assert (alone - both).abs().max() > 1e-2, "the adapter does something"


def test_the_card_has_the_run_s_numbers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_check", lambda *_: {"same": 6, "of": 6})
    folder, _ = out("sft-lora", home)
    text = (folder / "README.md").read_text("utf-8")
    result = json.loads((home / "runs" / "sft-lora" / "result.json").read_text())
    for name in ("pass_at_1", "reward"):
        before, after = (json.dumps(result[when][name]) for when in ("before", "after"))
        assert f"| {name} | {before} | {after} | 16 |" in text
    assert "license: apache-2.0" in text and "curves.svg" in text and '"steps": 3' in text
    assert (folder / "curves.svg").read_text().startswith("<svg")
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base" and (folder / "base" / "model.safetensors").is_file()
    ends = json.loads((folder / "generation_config.json").read_text())
    assert ends["eos_token_id"] in (1, [1])


def test_a_folder_that_writes_other_text_fails_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = writing._answers
    monkeypatch.setattr(writing, "_answers", lambda *given: answers(*given) | {"texts": ["something else"] * 6})
    folder, job = out("sft-full", home)
    assert job.state is RunState.FAILED and (job.error or {})["key"] == "out_writes_other_text"
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_a_gguf_file_is_the_same_model(home: Path, kind: str) -> None:
    """Read back by transformers; llama.cpp's own reading stands in docs/out.md."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, job = out("sft-lora", home, merge=True, gguf=kind)
    assert job.state is RunState.FINISHED, job.error
    name = f"sft-lora-{kind}.gguf"
    assert (job.result or {})["gguf"] == name
    assert f"FROM ./{name}" in (folder / "Modelfile").read_text()
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    read = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    text = "<|user|>解方程：3x + 15 = 20<|end|><|assistant|>x = 5"
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert read(text, return_tensors="pt")["input_ids"].tolist() == ids.tolist()
    with torch.no_grad():
        away = (model(ids).logits - whole(ids).logits).abs().max()
    assert away < (0.05 if kind == "f16" else 0.5)
