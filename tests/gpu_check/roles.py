"""What PPO's four roles hold on one base, beside GRPO's policy and beside four models of their own: counted from real tensors.

Weights, adapters and Adam's moments; LoRA of rank 16 in fp32, NF4 base, embeddings in bf16, the reference counted. Weights are
random: only their sizes matter. Runs on any device; layer by layer, so that a model never stands in memory unpacked.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.quantizers.base import get_keys_to_not_convert

from lab.store.presets import load_preset
from lab.training.measure.meta_model import META
from lab.training.models.base import four_bit_config, lora_config
from lab.training.models.roles import POLICY, VALUE, Roles, copy_adapter

QWEN = {"model_type": "qwen2", "vocab_size": 151936, "tie_word_embeddings": True, "max_position_embeddings": 32768}
SHAPES: dict[str, dict[str, Any]] = {
    "small": {
        "model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True, "max_position_embeddings": 512,
    },
    "smollm2-135m": {
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "tie_word_embeddings": True,
        "max_position_embeddings": 8192,
    },
    "qwen2.5-0.5b": QWEN | {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "qwen2.5-1.5b": QWEN | {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
}  # fmt: skip
"""Shapes of models, as their ``config.json`` has them."""


@dataclass(frozen=True)
class Held:
    """Bytes of one role set: the base, the adapters and heads, Adam's moments."""

    base: int
    adapters: int
    moments: int

    @property
    def total(self) -> int:
        return self.base + self.adapters + self.moments


@dataclass(frozen=True)
class Roled:
    """GRPO's policy, PPO's four roles on one base, with a critic of its own or on the policy's trunk, and four bases."""

    grpo: Held
    ppo: Held
    trunk: Held
    four: Held


def count(shape: str, device: torch.device, *, from_adapter: bool = False) -> Roled:
    """Build the real thing and count it. ``from_adapter``: the start is an adapter, so that its frozen copy is the reference."""
    recipe = load_preset("smollm2-135m/ppo").recipe
    model = get_peft_model(packed(shape, device), lora_config(recipe))
    if from_adapter:
        model.add_adapter("ref", model.peft_config[POLICY])
        copy_adapter(model, POLICY, "ref")
    base = size(tensor for name, tensor in _named(model) if "lora_" not in name)
    roles = Roles(model, reference="ref" if from_adapter else None)
    policy = [p for name, p in model.named_parameters() if f".{POLICY}." in name]
    start = [p for name, p in model.named_parameters() if ".ref." in name]
    grpo = Held(base, size([*policy, *start]), _moments(policy))
    with tempfile.TemporaryDirectory() as folder:
        reward = _reward_adapter(model, Path(folder))
        roles.add_value()
        roles.add_reward(reward)
    trained = [p for p in model.parameters() if p.requires_grad]
    every = size(tensor for _, tensor in _named(model))
    ppo = Held(base, every - base, _moments(trained))
    critic = size(p for name, p in model.named_parameters() if f".{VALUE}." in name)
    trunk = Held(base, ppo.adapters - critic, _moments([*policy, *model.value_head.parameters()]))
    return Roled(grpo, ppo, trunk, Held(4 * base, ppo.adapters, ppo.moments))


def packed(shape: str, device: torch.device) -> Any:
    """A language model of that shape with random weights, its linear layers in NF4, everything else in bf16."""
    with META:
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[shape]), dtype=torch.bfloat16)
    skip = set(get_keys_to_not_convert(model))
    settings = four_bit_config(torch.bfloat16, device)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and name not in skip:
            model.set_submodule(name, _packed_layer(module, settings, device))
    for module in model.modules():
        if not isinstance(module, bnb.nn.Linear4bit):
            for name, parameter in list(module.named_parameters(recurse=False)):
                value = torch.randn(parameter.shape, dtype=parameter.dtype, device=device) * 0.02
                setattr(module, name, nn.Parameter(value, requires_grad=False))
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    model.is_loaded_in_4bit = True
    return model


def rows_of_table(shape: str, roled: Roled) -> list[str]:
    """The counts of one shape as lines of a table."""
    lines = [
        f"{shape}: weights + adapters + optimiser, in MB",
        f"  {'':28} {'base':>8} {'adapters':>9} {'Adam':>8} {'all':>8}",
    ]
    for name, held in (
        ("GRPO's policy", roled.grpo),
        ("PPO's four roles, one base", roled.ppo),
        ("  the critic on the trunk", roled.trunk),
        ("four NF4 copies", roled.four),
    ):
        parts = (held.base, held.adapters, held.moments, held.total)
        lines.append(f"  {name:28} " + " ".join(f"{part / 1e6:8.1f}" for part in parts))
    lines.append(
        f"  PPO / GRPO = {roled.ppo.total / roled.grpo.total:.3f} (on the trunk {roled.trunk.total / roled.grpo.total:.3f})   PPO / four copies = {roled.ppo.total / roled.four.total:.3f}"
    )
    return lines


def _packed_layer(layer: nn.Linear, settings: Any, device: torch.device) -> bnb.nn.Linear4bit:
    with META:
        found = bnb.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            layer.bias is not None,
            settings.bnb_4bit_compute_dtype,
            compress_statistics=True,
            quant_type="nf4",
        )
    weight = torch.randn(layer.out_features, layer.in_features, dtype=torch.bfloat16, device="cpu") * 0.02
    found.weight = bnb.nn.Params4bit(
        weight, requires_grad=False, quant_type="nf4", compress_statistics=True, module=found
    ).to(device)
    if layer.bias is not None:
        found.bias = nn.Parameter(
            torch.zeros(layer.out_features, dtype=torch.bfloat16, device=device), requires_grad=False
        )
    return found


def size(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages behind tensors, each once."""
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _named(model: Any) -> list[tuple[str, torch.Tensor]]:
    named = list(model.named_parameters())
    known = {id(tensor) for _, tensor in named}
    return named + [("beside", tensor) for tensor in _tensors_of(model) if id(tensor) not in known]


def _tensors_of(model: Any) -> Iterator[torch.Tensor]:
    """Every tensor that the model holds: parameters, buffers, and what NF4 keeps beside its weights."""
    yield from (*model.parameters(), *model.buffers())
    for parameter in model.parameters():
        if (state := getattr(parameter, "quant_state", None)) is not None:
            nested = (state.state2.absmax, state.state2.code) if state.nested else ()
            beside = (state.absmax, state.code, state.offset, *nested)
            yield from (tensor for tensor in beside if isinstance(tensor, torch.Tensor))


def _moments(trained: list[Any]) -> int:
    """What Adam keeps, after a real step."""
    adam = torch.optim.AdamW(trained, lr=1e-4)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    adam.step()
    found = size(value for state in adam.state.values() for value in state.values() if isinstance(value, torch.Tensor))
    adam.zero_grad()
    return found


def _reward_adapter(model: Any, folder: Path) -> Path:
    """A reward-model run's adapter of the same rank, as the lab saves one."""
    model.save_pretrained(folder, selected_adapters=[POLICY])
    weights = load_file(folder / "adapter_model.safetensors")
    width = model.config.get_text_config().hidden_size
    weights["base_model.model.score.weight"] = torch.zeros(1, width)
    save_file(weights, folder / "adapter_model.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"task_type": "SEQ_CLS"}))
    return folder
