"""Take a GGUF file in: its weights unpacked once into safetensors, its tokenizer beside them. No training here.

``python -m lab.training --import-gguf FILE FOLDER``. Whoever calls it makes the folder a model by renaming it when all is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from lab.errors import ModelError, first_line
from lab.training.models.base import mend_padding

NOT_OURS = ("is_local", "local_files_only")
"""What a tokenizer that came from a file would write into its own settings."""


def import_gguf(file: Path, folder: Path) -> None:
    """Write the model in ``file`` to ``folder`` in bf16. Raises ModelError where it is no model that transformers can read."""
    try:
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),  # plain weights, and no kernel is looked for on the hub
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, ImportError) as error:
        raise ModelError("model_gguf", value=file.name, why=first_line(error)) from None
    _forget_the_file(model, tokenizer)
    mend_padding(tokenizer, model.config.vocab_size)
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _forget_the_file(model: Any, tokenizer: Any) -> None:
    """What is saved is a plain model: without marks of quantisation, or it would be looked for in the GGUF again."""
    model.hf_quantizer = None
    for name in ("quantization_config", "_model_name_or_path"):
        if hasattr(model.config, name):
            delattr(model.config, name)
    for name in NOT_OURS:
        tokenizer.init_kwargs.pop(name, None)
