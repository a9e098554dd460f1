"""A run's weights as folders that transformers and peft load by themselves: an adapter with its base named, or one merged model.

A merge is made in fp32, also where the run had its base in 4 bits: ``W + (alpha / rank) · B A`` on the full-precision W that the 4-bit base
was packed from (LoRA, arXiv 2106.09685, section 4.1). The logits then are those of base and adapter up to rounding.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig

from lab.core.algorithms import Head, algorithm_of
from lab.core.recipes import Device, Precision, Recipe
from lab.store.models import ModelRef
from lab.training.models.base import load_frozen_scorer, load_start
from lab.training.models.tokens import Tokens
from lab.training.out.base_of import BESIDE, Base

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
WEIGHTS = "model*.safetensors*"


def load_full(recipe: Recipe, ref: ModelRef, home: Path) -> Any:
    """The run's model in fp32 on the CPU, frozen: base and adapter, or the whole model; with its head where it scores."""
    plain = {"device": Device.CPU, "precision": Precision.FP32}
    four_bits = {"load_in_4bit": False} if hasattr(recipe, "load_in_4bit") else {}
    here = recipe.model_copy(update={**plain, **four_bits, "model": ref.name})
    return load_frozen_scorer(here, ref, home) if algorithm_of(recipe).head is Head.SCORE else load_start(here, home)


def merged(model: Any) -> Any:
    """The model with its adapter added to the weights; one without an adapter as it is."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def write_model(model: Any, tokens: Tokens, folder: Path) -> None:
    """A whole model in fp32, with tokenizer, template and ends."""
    model.config._name_or_path = ""  # where it was loaded from
    model.config.dtype = torch.float32
    model.save_pretrained(folder)
    write_tokenizer(tokens, folder)


def write_adapter(ref: ModelRef, base: Base, tokens: Tokens, folder: Path) -> None:
    """The adapter as it was trained, its base by a name that others find; a base that is nowhere else is copied beside it."""
    assert ref.adapter is not None
    copy_adapter(Path(ref.adapter), folder, base, inference_mode=True)
    write_tokenizer(tokens, folder)
    if not base.hub:
        copy_base(Path(ref.base), tokens, folder / BESIDE)


def copy_adapter(source: Path, folder: Path, base: Base, **more: bool) -> None:
    """An adapter with its base by a name that others find, and more in its configuration."""
    config = json.loads((source / ADAPTER[0]).read_text("utf-8")) | {"base_model_name_or_path": base.named, **more}
    folder.mkdir(exist_ok=True)
    (folder / ADAPTER[0]).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    shutil.copyfile(source / ADAPTER[1], folder / ADAPTER[1])


def copy_base(source: Path, tokens: Tokens, folder: Path) -> None:
    """The base's weights as they are, and the tokenizer, template and ends of the run. It is computed in fp32, as here."""
    folder.mkdir()
    for file in source.glob(WEIGHTS):
        shutil.copyfile(file, folder / file.name)
    config = json.loads((source / "config.json").read_text("utf-8"))
    config.pop("_name_or_path", None)
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    for licence in source.glob("LICENSE*"):
        shutil.copyfile(licence, folder / licence.name)
    write_tokenizer(tokens, folder)


def write_tokenizer(tokens: Tokens, folder: Path) -> None:
    """Tokenizer, chat template, and a ``generation_config.json`` with every token that ends an answer."""
    tokens.tokenizer.save_pretrained(folder)
    settings = GenerationConfig(eos_token_id=list(tokens.ends), pad_token_id=tokens.pad)
    if (begin := tokens.tokenizer.bos_token_id) is not None:
        settings.bos_token_id = begin
    settings.save_pretrained(folder)
    _forget_path(folder / "tokenizer_config.json")


def _forget_path(file: Path) -> None:
    content = json.loads(file.read_text("utf-8"))
    for name in ("name_or_path", "is_local", "local_files_only"):
        content.pop(name, None)
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
