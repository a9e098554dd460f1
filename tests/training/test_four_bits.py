"""QLoRA on the CPU: every algorithm that trains an adapter does so on an NF4 base, through the real worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file

from lab.core.recipes import RmRecipe, SftRecipe
from lab.training.models.base import load, load_scorer
from tests.training.worker.test_main import finish, make_run, steps_of

pytestmark = pytest.mark.train

QLORA = {"load_in_4bit": True, "training": "lora", "steps": 2, "measure_samples": 16, "batch_size": 16}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with an SFT run in it, and a reward model made from it, for the others to start from."""
    home = tmp_path_factory.mktemp("lab_home")
    finish(make_run(home, "tiny/sft", "sft", **QLORA))
    finish(make_run(home, "tiny/rm", "rm", **QLORA, model="run:sft"))
    return home


RUNS = {
    "rm": ("rm", {"model": "run:sft"}),  # made by the fixture
    "rm-of-the-base": ("rm", {}),
    "dpo": ("dpo", {"model": "run:sft"}),
    "grpo": ("grpo", {"model": "run:sft", "beta": 0.01}),
    "ppo": ("ppo", {"model": "run:sft", "reward_model": "run:rm"}),
    "ppo-trunk": ("ppo", {"model": "run:sft", "reward_model": "run:rm", "critic": "trunk"}),
    "ppo-narrow": ("ppo", {"reward_model": "run:rm", "precision": "bf16"}),  # as on a GPU
}


@pytest.mark.parametrize("name", RUNS)
def test_an_algorithm_trains_on_four_bits(home: Path, name: str) -> None:
    algorithm, changes = RUNS[name]
    path = home / "runs" / name if name == "rm" else make_run(home, f"tiny/{algorithm}", name, **(QLORA | changes))
    result = json.loads((path / "result.json").read_text()) if name == "rm" else finish(path)
    assert result["state"] == "finished" and result["steps"] == 2
    assert steps_of(path) == [1, 2]
    weights = load_file(path / "model" / "adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}  # not rounded to bf16
    assert all(bool(value.isfinite().all()) for value in weights.values())
    config = json.loads((path / "model" / "adapter_config.json").read_text())
    assert config["task_type"] == ("SEQ_CLS" if algorithm == "rm" else "CAUSAL_LM")


def test_a_reward_model_begins_with_the_weights_of_the_adapter_that_it_starts_from(home: Path) -> None:
    policy = load(SftRecipe(model="run:sft", **(QLORA | {"device": "cpu"})), home).model
    scorer = load_scorer(RmRecipe(model="run:sft", load_in_4bit=True, device="cpu"), home)
    assert not scorer.fresh_adapter
    ours = {name: value for name, value in scorer.model.named_parameters() if "lora_" in name}
    theirs = {name: value for name, value in policy.named_parameters() if "lora_" in name}
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], value) for name, value in theirs.items())
    assert all(value.requires_grad for value in ours.values())
    merged = load_scorer(RmRecipe(model="run:sft", training="full", device="cpu"), home).model
    assert not any("lora_" in name for name, _ in merged.named_parameters())
    assert all(value.requires_grad for value in merged.parameters())


def test_passes_without_gradients_leave_later_gradients_alone(home: Path) -> None:
    """On some CPUs bitsandbytes packs weights anew in such a pass, and what is packed so has no gradient."""
    model = load(SftRecipe(**(QLORA | {"device": "cpu"})), home).model
    packed = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert packed and not any(module.support_avx512bf16_for_cpu for module in packed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
    ids = torch.arange(4, 40).reshape(2, 18)

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        model.train()
        model(input_ids=ids, labels=ids).loss.backward()
        return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}

    before = gradients()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
    after = gradients()
    assert before and all(torch.equal(after[name], value) for name, value in before.items())


def test_a_successor_starts_exactly_where_its_predecessor_ended(home: Path) -> None:
    """trl's trainers round what trains on 4 bits to bf16; the reference is not rounded with it."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from lab.data.turns import as_conversation

    loaded = load(SftRecipe(model="run:sft", **(QLORA | {"device": "cpu"})), home)
    before = {name: value.clone() for name, value in loaded.model.named_parameters() if value.requires_grad}
    rows = [{"prompt": as_conversation("1 + 1"), "completion": [{"role": "assistant", "content": "2"}]}]
    loaded.keep_wide()
    settings = SFTConfig(output_dir=str(home / "out"), use_cpu=True, bf16=False, gradient_checkpointing=False)
    trainer = SFTTrainer(
        model=loaded.model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=loaded.tokenizer
    )
    trained = {name: value for name, value in trainer.model.named_parameters() if value.requires_grad}
    assert any(value.dtype is torch.bfloat16 for value in trained.values()), "trl rounds no more: widen() can go"
    loaded.widen()
    assert before and all(torch.equal(trained[name], value) for name, value in before.items())
