"""A GGUF file that is made here from the shipped model comes back as that model: weights, tokenizer, padding, no marks."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lab.runs.fetch.downloads import get_model
from lab.store.catalogue import source_of
from lab.store.models import SHIPPED, resolve

TINY = SHIPPED["tiny"]
BLOCK = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{BLOCK[rest.removesuffix('.weight')]}.weight"


def as_llama_cpp(name: str, weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp keeps the halves of each head of q and k interleaved."""
    if "q_proj" not in name and "k_proj" not in name:
        return weight
    out, width = weight.shape
    return weight.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def write_gguf(path: Path) -> None:
    config = json.loads((TINY / "config.json").read_text())
    tokenizer = json.loads((TINY / "tokenizer.json").read_text())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    special = {token["content"] for token in tokenizer["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([3 if token in special else 1 for token, _ in vocabulary])
    writer.add_token_merges(
        [" ".join(pair) if isinstance(pair, list) else pair for pair in tokenizer["model"]["merges"]]
    )
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["eos_token_id"])  # as the real one has it
    writer.add_unk_token_id(config["pad_token_id"])
    for name, weight in load_file(TINY / "model.safetensors").items():
        writer.add_tensor(gguf_name(name), as_llama_cpp(name, weight.float().numpy(), config["num_attention_heads"]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.train
def test_a_gguf_file_comes_back_as_the_model_it_was_made_from(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_gguf(tmp_path / "Mine.gguf")
    folder = get_model(str(tmp_path / "Mine.gguf"), tmp_path)
    assert folder == tmp_path / "models" / "mine"
    assert source_of(folder)["from"] == str(tmp_path / "Mine.gguf")
    assert resolve(str(tmp_path / "Mine.gguf"), tmp_path).base == str(folder)
    config = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in config
    found, wanted = load_file(folder / "model.safetensors"), load_file(TINY / "model.safetensors")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name].to(torch.bfloat16)) for name in wanted)
    tokenizer, original = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(TINY)
    assert tokenizer.encode("3x + 5 = 20") == original.encode("3x + 5 = 20")
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == config["eos_token_id"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
