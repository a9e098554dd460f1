"""QLoRA on the CPU: every algorithm that trains an adapter does so on an NF4 base, through the real worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lab.core.recipes import SftRecipe
from lab.training.base import load
from tests.training.test_worker import finish, make_run, steps_of

pytestmark = pytest.mark.train

QLORA = {"load_in_4bit": True, "training": "lora", "steps": 2, "measure_samples": 16, "batch_size": 16}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with an SFT run in it, for the others to start from."""
    home = tmp_path_factory.mktemp("lab_home")
    finish(make_run(home, "tiny/sft", "sft", **QLORA))
    return home


@pytest.mark.parametrize("algorithm", ["rm", "dpo", "grpo", "ppo"])
def test_an_algorithm_trains_on_four_bits(home: Path, algorithm: str) -> None:
    start = {} if algorithm == "rm" else {"model": "run:sft"}  # a reward model stands on the base itself
    path = make_run(home, f"tiny/{algorithm}", algorithm, **(QLORA | start))
    result = finish(path)
    assert result["state"] == "finished" and result["steps"] == 2
    assert steps_of(path) == [1, 2]
    weights = load_file(path / "model" / "adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}  # not rounded to bf16
    assert all(bool(value.isfinite().all()) for value in weights.values())
    config = json.loads((path / "model" / "adapter_config.json").read_text())
    assert config["task_type"] == ("SEQ_CLS" if algorithm == "rm" else "CAUSAL_LM")


def test_a_successor_starts_exactly_where_its_predecessor_ended(home: Path) -> None:
    """trl's trainers round what trains on 4 bits to bf16; the reference is not rounded with it."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from lab.training.task import as_answer, as_conversation

    loaded = load(SftRecipe(model="run:sft", **(QLORA | {"device": "cpu"})), home)
    before = {name: value.clone() for name, value in loaded.model.named_parameters() if value.requires_grad}
    rows = [{"prompt": as_conversation("1 + 1"), "completion": as_answer("2")}]
    loaded.keep_wide()
    settings = SFTConfig(output_dir=str(home / "out"), use_cpu=True, bf16=False, gradient_checkpointing=False)
    trainer = SFTTrainer(
        model=loaded.model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=loaded.tokenizer
    )
    trained = {name: value for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert any(value.dtype is torch.bfloat16 for value in trained.values()), "trl rounds no more: widen() can go"
    loaded.widen()
    assert before and all(torch.equal(trained[name], value) for name, value in before.items())
