"""A Llama's step on a CPU: the scores and completions of transformers' own pass, for each family, format and adapter; and what is left to transformers."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from lab.training.cpu import generation as cpu_generation
from lab.training.cpu import linear as cpu_linear
from lab.training.cpu import llama_step
from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.generation import quick_generation
from lab.training.models.base import four_bit_config, keep_trainable

SHAPE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
ROPE = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "llama, biases": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "llama 3": LlamaConfig(**SHAPE, rope_parameters=ROPE | {"original_max_position_embeddings": 16}),
    "mistral": MistralConfig(**SHAPE, sliding_window=None, head_dim=8),
    "qwen 2": Qwen2Config(**SHAPE),
    "qwen 3": Qwen3Config(**SHAPE, head_dim=8),
}
PROMPTS = [[5, 6, 7], [8, 9], [5, 6, 7], [10, 11, 12, 13, 14], [5, 6, 7]]


def model_of(config: PreTrainedConfig, *, adapter: bool = True, dtype: torch.dtype = torch.float32) -> Any:
    """A model whose every number is random, biases and norms too, with an adapter that acts."""
    torch.manual_seed(11)
    model: Any = AutoModelForCausalLM.from_config(config).to(dtype)
    cpu_linear.use_on_cpu(model)
    for name, value in model.named_parameters():
        nn.init.normal_(value, mean=1.0 if "norm" in name else 0.0, std=0.2)
    if not adapter:
        return model.eval()
    model = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", init_lora_weights=False))
    cpu_lora.use_on_cpu(model)
    return model.eval()


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in PROMPTS])
    return ids, (ids != 0).long()


def completed(model: Any, **options: Any) -> torch.Tensor:
    ids, mask = padded()
    config = GenerationConfig(**({"max_new_tokens": 30, "eos_token_id": 1, "pad_token_id": 0} | options))
    with torch.no_grad():
        output: torch.Tensor = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    return output


def causal(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "no adapter"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_model(family: str, dtype: torch.dtype, adapter: bool) -> None:
    model = model_of(FAMILIES[family], adapter=adapter, dtype=dtype)
    exact, inner = copy.deepcopy(model).double(), causal(model)
    step = llama_step.step_of(inner)
    assert step is not None
    ids, mask = padded()
    tokens = torch.randint(2, 40, (len(ids), 70))  # past the first room for keys
    with torch.no_grad():
        first = step.read(ids, mask, ids.size(1) + 70)
        found = torch.stack([first, *(step.scores(tokens[:, at]) for at in range(70))], 1)
        whole, there = torch.cat([ids, tokens], 1), torch.cat([mask, torch.ones_like(tokens)], 1)
        places = (there.cumsum(1) - 1).clamp(min=0)
        expected = exact(input_ids=whole, attention_mask=there, position_ids=places).logits[:, ids.size(1) - 1 :]
        stock = model(input_ids=whole, attention_mask=there, position_ids=places).logits[:, ids.size(1) - 1 :]
    assert found.dtype is torch.float32
    if dtype is torch.float32:
        torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    else:  # as exact as transformers is in this format
        assert (found - expected).norm() <= 1.05 * (stock - expected).norm()


@pytest.mark.parametrize("at_once", [2048, 1], ids=["all prompts", "one by one"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_what_transformers_writes(family: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_step, "POSITIONS", at_once)
    model = model_of(FAMILIES[family])
    for options in ({"do_sample": False}, {"do_sample": False, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2}):
        expected = completed(model, **options)
        with quick_generation(model):
            assert torch.equal(completed(model, **options), expected)
    assert llama_step.step_of(causal(model)) is not None


def test_samples_are_those_of_transformers_for_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(FAMILIES["llama"])
    options = {"do_sample": True, "temperature": 0.7, "top_k": 9, "top_p": 0.9}

    def sampled() -> torch.Tensor:
        torch.manual_seed(3)
        with quick_generation(model):
            return completed(model, **options)

    ours = sampled()
    monkeypatch.setattr(cpu_generation, "step_of", lambda _model: None)
    assert torch.equal(ours, sampled())


def test_rows_that_have_ended_are_padded_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(FAMILIES["llama"])
    kept: list[int] = []
    keep = llama_step.LlamaStep.keep
    monkeypatch.setattr(llama_step.LlamaStep, "keep", lambda step, rows: (kept.append(len(rows)), keep(step, rows))[1])
    ends = completed(model, do_sample=False, eos_token_id=None)[:, 5:]
    for end in ends[:, 3:6].flatten().unique().tolist():
        expected = completed(model, do_sample=False, eos_token_id=end)
        with quick_generation(model):
            assert torch.equal(completed(model, do_sample=False, eos_token_id=end), expected)
    assert kept and max(kept) <= len(PROMPTS) // 2


def test_a_prompt_that_rows_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(FAMILIES["llama"])
    read: list[int] = []
    body = causal(model).model
    body.embed_tokens.register_forward_pre_hook(
        lambda _module, given: read.append(len(given[0])) if given[0].dim() == 2 else None
    )
    with quick_generation(model):
        completed(model, do_sample=False)
    monkeypatch.setitem(globals(), "PROMPTS", [[5, 6, 7], [8, 9, 4], [5, 6, 7]])  # transformers drops a mask of ones
    with quick_generation(model):
        completed(model, do_sample=False)
    assert read == [3, 2]


@pytest.mark.parametrize(
    "optimizer", [partial(torch.optim.SGD, lr=0.5), partial(torch.optim.AdamW, lr=0.1, fused=True)]
)
def test_weights_are_those_of_the_rollout(optimizer: Any) -> None:
    """An adapter that has moved, one that is off, and a base that trains: the step is never of the weights before."""
    for adapter in (True, False):
        model = model_of(FAMILIES["qwen 2"], adapter=adapter)
        with quick_generation(model):
            before = completed(model, do_sample=False)
        ids, mask = padded()
        model(input_ids=ids, attention_mask=mask, labels=ids).loss.backward()
        optimizer([value for value in model.parameters() if value.requires_grad]).step()
        with quick_generation(model):
            after = completed(model, do_sample=False)
        assert torch.equal(after, completed(model, do_sample=False)) and not torch.equal(after, before)
        if adapter:
            with model.disable_adapter(), quick_generation(model):
                of_base = completed(model, do_sample=False)
            assert torch.equal(of_base, completed(model.unload(), do_sample=False))


@pytest.mark.parametrize("small", [True, False], ids=["joined", "unpacked for each token"])
def test_a_base_in_four_bits_writes_what_transformers_writes(
    small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_step, "SMALL", 1 << 40 if small else 0)
    config = LlamaConfig(**SHAPE | {"hidden_size": 64, "intermediate_size": 128})
    model_of(config, adapter=False).save_pretrained(tmp_path)
    packed: Any = AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=four_bit_config(torch.float32, torch.device("cpu")), dtype=torch.float32
    )
    keep_trainable(packed)
    model: Any = get_peft_model(packed, LoraConfig(r=3, target_modules="all-linear", init_lora_weights=False)).eval()
    stock = completed(model, do_sample=False)
    cpu_lora.use_on_cpu(model)
    assert torch.equal(completed(model, do_sample=False), stock)
    with quick_generation(model):
        assert llama_step.step_of(causal(model)) is not None
        assert torch.equal(completed(model, do_sample=False), stock)


def test_a_copied_model_writes_by_a_step_of_its_own() -> None:
    model = model_of(FAMILIES["llama"])
    with quick_generation(model):
        before = completed(model, do_sample=False)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for value in other.parameters():
            value += 0.1 * torch.randn_like(value)
    with quick_generation(other):
        assert not torch.equal(completed(other, do_sample=False), before)
        assert torch.equal(completed(other, do_sample=False), completed(other, do_sample=False))
    with quick_generation(model):
        assert torch.equal(completed(model, do_sample=False), before)


def test_nothing_of_a_rollout_is_held_while_the_model_trains() -> None:
    model = model_of(FAMILIES["llama"])
    with quick_generation(model):
        completed(model, do_sample=False)
    layers = causal(model)._llama_step._layers
    assert all(layer._keys.numel() == layer._values.numel() == 0 for layer in layers)


def test_beams_are_searched_as_ever() -> None:
    model = model_of(FAMILIES["llama"])
    causal(model).generation_config.num_beams = 3  # as a model's own file may say
    for named in ({"num_beams": 2}, {}):
        expected = completed(model, do_sample=False, **named)
        with quick_generation(model):
            assert torch.equal(completed(model, do_sample=False, **named), expected)


@pytest.mark.parametrize("why", ["another model", "window", "hook", "dora", "two adapters", "no room", "fp16"])
def test_what_is_not_known_is_left_to_transformers(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = FAMILIES["llama"]
    if why == "another model":
        config = GPT2Config(
            vocab_size=40, n_embd=24, n_layer=2, n_head=4, n_positions=64, pad_token_id=0, eos_token_id=1
        )
    if why == "window":
        config = MistralConfig(**SHAPE, sliding_window=4)
    model = model_of(config, adapter=why != "fp16", dtype=torch.float16 if why == "fp16" else torch.float32)
    inner = causal(model)
    if why == "hook":
        inner.model.layers[1].mlp.register_forward_hook(lambda _module, _given, output: -output)
    if why in ("dora", "two adapters"):
        model.add_adapter("other", LoraConfig(r=2, target_modules=["q_proj"], use_dora=why == "dora"))
        model.base_model.set_adapter(["default", "other"] if why == "two adapters" else "other")
    if why == "no room":
        monkeypatch.setattr(llama_step, "machine_memory", lambda: (0, 0))
    assert llama_step.step_of(inner) is None
    expected = completed(model, do_sample=False)
    with quick_generation(model):
        assert torch.equal(completed(model, do_sample=False), expected)
    assert "generate" not in vars(inner)
