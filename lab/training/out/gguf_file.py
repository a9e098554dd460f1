"""Writes merged weights as a GGUF file, through the package ``gguf`` of the llama.cpp project.

Known are the families in ``FAMILIES`` with byte-level BPE tokenizers, which is what the lab's models have. llama.cpp's own script,
``convert_hf_to_gguf.py``, knows all others; it is in no package that can stand beside ``gguf``, so a refusal names the command. It tells
a tokenizer by a hash of known vocabularies; here its splitting of text is read from ``tokenizer.json``, so a vocabulary of one's own
works. ``q4_k_m`` is made from the f16 file by llama.cpp itself (``llama_quantize.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import safe_open

from lab.core.out_jobs import Gguf
from lab.errors import ModelError

FAMILIES = {
    "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "MistralForCausalLM": gguf.MODEL_ARCH.LLAMA,
    "Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2,
    "Qwen3ForCausalLM": gguf.MODEL_ARCH.QWEN3,
}
QWEN_SPLIT = r"\p{L}+|\p{N}|"
"""Of the regular expression by which Qwen's tokenizers split text: letters, and digits one by one."""
FILE_TYPES = {Gguf.F16: gguf.LlamaFileType.MOSTLY_F16, Gguf.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0}


def write_gguf(folder: Path, target: Path, kind: Gguf, name: str) -> None:
    """Write the full model in ``folder`` to ``target`` in f16 or q8_0. Raises ModelError where its form is not known here."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    architecture = FAMILIES.get((config.get("architectures") or [""])[0])
    if architecture is None or (config.get("rope_parameters") or {}).get("rope_type", "default") != "default":
        raise _unknown(config.get("model_type", "?"))
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _write_shape(writer, config)
    _write_tokenizer(writer, folder, int(config["vocab_size"]))
    for tensor_name, values, stored in _tensors(folder, config, architecture, kind):
        writer.add_tensor(tensor_name, values, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_family(folder: Path) -> None:
    """Raise ModelError where ``write_gguf`` could not write the model whose configuration and tokenizer lie in ``folder``."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if (config.get("architectures") or [""])[0] not in FAMILIES:
        raise _unknown(config.get("model_type", "?"))
    pre_tokenizer(_tokenizer_json(folder))


def pre_tokenizer(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how a byte-level BPE tokenizer splits text, from ``tokenizer.json``. Raises ModelError for any other."""
    if tokenizer["model"]["type"] != "BPE" or tokenizer.get("normalizer") not in (None, {"type": "NFC"}):
        raise _unknown(f"tokenizer {tokenizer['model']['type']}")
    splitting = tokenizer.get("pre_tokenizer") or {}
    parts = splitting.get("pretokenizers") or [splitting]
    kinds = [part.get("type") for part in parts]
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0]["individual_digits"] and parts[1].get("use_regex", True):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and QWEN_SPLIT in str(parts[0].get("pattern")):
        return "qwen2"
    raise _unknown(f"tokenizer {' + '.join(map(str, kinds))}")


def _tokenizer_json(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise _unknown("tokenizer without tokenizer.json") from None
    return content


def _unknown(what: str) -> ModelError:
    return ModelError("out_gguf_family", value=what)


def _write_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    rope = config.get("rope_parameters") or config
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or 10_000.0))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))


def _write_tokenizer(writer: gguf.GGUFWriter, folder: Path, size: int) -> None:
    content = _tokenizer_json(folder)
    added = {token["id"]: token for token in content["added_tokens"]}
    by_id = {number: token for token, number in content["model"]["vocab"].items()}
    by_id |= {number: token["content"] for number, token in added.items()}
    tokens = [by_id.get(number, f"[PAD{number}]") for number in range(size)]
    kinds = [_kind(number, by_id, added) for number in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(content))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = content["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    _write_special(writer, folder, {token: number for number, token in by_id.items()})


def _kind(number: int, by_id: dict[int, str], added: dict[int, Any]) -> gguf.TokenType:
    if number not in by_id:
        return gguf.TokenType.UNUSED
    if number not in added:
        return gguf.TokenType.NORMAL
    return gguf.TokenType.CONTROL if added[number]["special"] else gguf.TokenType.USER_DEFINED


def _write_special(writer: gguf.GGUFWriter, folder: Path, ids: dict[str, int]) -> None:
    """Which tokens end, begin and pad, and the chat template."""
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    ends = json.loads((folder / "generation_config.json").read_text("utf-8")).get("eos_token_id")
    ends = ends if isinstance(ends, list) else [ends]
    named = {name: _content(settings.get(f"{name}_token")) for name in ("bos", "eos", "pad")}
    eos = ids.get(named["eos"] or "", ends[0])
    if eos is not None:
        writer.add_eos_token_id(eos)
    other = [end for end in ends if end not in (None, eos)]
    if other:
        writer.add_eot_token_id(int(other[0]))  # llama.cpp stops at this one too
    if named["bos"] in ids:
        writer.add_bos_token_id(ids[str(named["bos"])])
    if named["pad"] in ids:
        writer.add_pad_token_id(ids[str(named["pad"])])
    writer.add_add_bos_token(False)  # the chat template writes it, where there is one
    template = folder / "chat_template.jinja"
    if template.is_file():
        # Marks of what is trained, which no reader of GGUF files knows.
        text = template.read_text("utf-8").replace("{% generation %}", "").replace("{% endgeneration %}", "")
        writer.add_chat_template(text)


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _tensors(
    folder: Path, config: dict[str, Any], architecture: gguf.MODEL_ARCH, kind: Gguf
) -> Iterator[tuple[str, np.ndarray, gguf.GGMLQuantizationType]]:
    """Name, values as stored, and their type. Vectors stay in f32, as llama.cpp wants them."""
    names = gguf.get_tensor_name_map(architecture, int(config["num_hidden_layers"]))
    heads = int(config["num_attention_heads"])
    key_heads = int(config.get("num_key_value_heads") or heads)
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                values = tensors.get_tensor(name).float().numpy()
                stored_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
                if stored_name is None:
                    raise _unknown(f"tensor {name}")
                if architecture is gguf.MODEL_ARCH.LLAMA and name.endswith(("q_proj.weight", "k_proj.weight")):
                    values = _permuted(values, heads if "q_proj" in name else key_heads)
                yield stored_name, *_stored(values, kind)


def _permuted(values: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of llama.cpp's rotary embedding, which turns neighbours; transformers turns halves of a head."""
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _stored(values: np.ndarray, kind: Gguf) -> tuple[np.ndarray, gguf.GGMLQuantizationType]:
    if values.ndim < 2:
        return values.astype(np.float32), gguf.GGMLQuantizationType.F32
    if kind is Gguf.Q8_0 and values.shape[-1] % 32 == 0:
        quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        return quantised, gguf.GGMLQuantizationType.Q8_0
    return values.astype(np.float16), gguf.GGMLQuantizationType.F16
