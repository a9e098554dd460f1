"""The adapter is sent as an adapter: a 4-bit base and its reference stay what they are, which a merge into the base does not leave them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from lab.core.recipes import GrpoRecipe
from lab.training.cpu import lora as cpu_lora
from lab.training.models.base import load
from lab.training.models.roles import acting_as
from lab.training.trainers.sampler import SentAdapter
from tests.gpu_check.engine import digest_of_base

SYNCS = 100
QLORA = GrpoRecipe(load_in_4bit=True, device="cpu", lora_rank=4)
IDS = torch.randint(4, 280, (4, 24), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def qlora(tmp_path) -> SimpleNamespace:
    """A real NF4 base with a policy on it that takes real steps."""
    torch.manual_seed(1)
    model = load(QLORA, tmp_path).model
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()

    return SimpleNamespace(model=model, step=step)


@torch.no_grad()
def logps(model, adapter=None) -> torch.Tensor:
    """log π of every word at every place, under an adapter or (None) the reference, the bare base."""
    with acting_as(model, adapter):
        return torch.log_softmax(model(input_ids=IDS).logits.double(), -1)


def kl(before, after) -> float:
    """KL(before‖after), a mean over places, in nats."""
    return float((before.exp() * (before - after)).sum(-1).mean())


@pytest.mark.train
def test_after_100_syncs_the_base_is_the_same_to_the_byte_and_the_reference_exactly_itself(qlora):
    packed = [name for name in qlora.model.state_dict() if "absmax" in name]
    assert packed, "the base is in 4 bits"
    base, reference, start = digest_of_base(qlora.model), logps(qlora.model), logps(qlora.model, "default")
    sent = SentAdapter(qlora.model)
    for number in range(SYNCS):
        qlora.step()
        assert sent.send(number)
    assert digest_of_base(qlora.model) == base
    assert torch.equal(logps(qlora.model), reference) and kl(reference, logps(qlora.model)) == 0.0
    assert kl(start, logps(qlora.model, "default")) > 0.1, "the policy itself has moved"
    sent.close()


@pytest.mark.train
def test_merging_into_four_bits_drifts(qlora):
    """What trl does for each sync (``VLLMGeneration._iter_named_params``): the reason for sending the adapter."""
    base, reference = digest_of_base(qlora.model), logps(qlora.model)
    for _ in range(5):
        qlora.step()
        qlora.model.merge_adapter()
        qlora.model.unmerge_adapter()
    assert digest_of_base(qlora.model) != base
    assert kl(reference, logps(qlora.model)) > 0.01


@pytest.mark.train
def test_what_is_sent_is_the_policy(qlora, tmp_path):
    """Read back by peft onto another base of the same kind, it gives the same log-probabilities to the last bit."""
    sent = SentAdapter(qlora.model)
    for number in range(3):
        qlora.step()
        sent.send(number)
    assert {str(value.dtype) for value in load_file(sent.folder / "adapter_model.safetensors").values()} == {
        "torch.float32"
    }
    read = PeftModel.from_pretrained(load(QLORA, tmp_path).model.unload(), str(sent.folder))
    cpu_lora.use_on_cpu(read)
    assert torch.equal(logps(read, "default"), logps(qlora.model, "default"))
    sent.close()


@pytest.mark.train
def test_only_another_adapter_is_written_and_only_one_is_kept(qlora):
    sent = SentAdapter(qlora.model)
    assert sent.send(0) and not sent.send(0) and sent.version == 1
    first = sent.folder
    qlora.step()
    assert sent.send(1) and sent.version == 2
    assert not first.exists() and [path.name for path in sent.folder.parent.iterdir()] == ["2"]
    assert sorted(path.name for path in sent.folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    sent.close()
    assert not sent.folder.parent.exists()


@pytest.mark.train
def test_another_role_is_not_sent(qlora):
    """PPO's critic and reward model are adapters on the same base, under other names."""
    qlora.model.add_adapter("value", qlora.model.peft_config["default"])
    sent = SentAdapter(qlora.model)
    sent.send(0)
    weights = load_file(sent.folder / "adapter_model.safetensors")
    own = {name: value for name, value in qlora.model.named_parameters() if ".default." in name}
    assert {name.replace(".weight", ".default.weight") for name in weights} == set(own)
    assert all(torch.equal(value, own[name.replace(".weight", ".default.weight")]) for name, value in weights.items())
    sent.close()


@pytest.mark.train
def test_vllms_own_loader_reads_it(qlora, monkeypatch):
    """vLLM's reader of adapters, on the CPU: the engine itself needs a GPU (``make gpu-check``)."""
    pytest.importorskip("vllm", reason="vllm is not installed: pip install -r requirements-vllm.txt")
    from vllm.config.lora import LoRAConfig
    from vllm.lora.lora_model import LoRAModel
    from vllm.lora.peft_helper import PEFTHelper
    from vllm.lora.request import LoRARequest

    monkeypatch.setattr("vllm.lora.lora_model.PIN_MEMORY", torch.cuda.is_available())
    sent = SentAdapter(qlora.model)
    qlora.step()
    sent.send(0)
    request = LoRARequest("policy-1", sent.version, str(sent.folder))
    helper = PEFTHelper.from_local_dir(request.path, 256)
    helper.validate_legal(LoRAConfig(max_lora_rank=8, max_loras=1))
    modules = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    read = LoRAModel.from_local_checkpoint(
        request.path, modules, helper, lora_model_id=request.lora_int_id, device="cpu", dtype=torch.float32
    )
    weights = load_file(Path(request.path) / "adapter_model.safetensors")
    assert len(read.loras) == len(weights) // 2 > 10
    for name, layer in read.loras.items():
        assert torch.equal(layer.lora_a, weights[f"base_model.model.{name}.lora_A.weight"])
        assert torch.equal(layer.lora_b, weights[f"base_model.model.{name}.lora_B.weight"])
        assert layer.scaling == QLORA.lora_alpha / QLORA.lora_rank
    sent.close()
