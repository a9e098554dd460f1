"""A recipe's model on the ``meta`` device: the real modules, adapters, roles and NF4 layout, with shapes and without numbers.

Everything that runs on it gives tensors of the right shape and takes no memory. Not here: what is run (``estimate.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import bitsandbytes as bnb
import torch
import torch.nn.functional as F
from bitsandbytes.functional import QuantState
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers.base import get_keys_to_not_convert
from trl.kernels.chunked_logprob import ChunkedLogProbFunction
from trl.trainer import utils as trl_utils

from lab.core.recipes import Device, Precision, Recipe, Training
from lab.training.models.base import four_bit_config, lora_config, successor_config

BLOCK, NESTED_BLOCK = 64, 256
META = torch.device("meta")


def dtype_on(recipe: Recipe, device: str) -> torch.dtype:
    """The number format that the recipe computes in on a kind of device; bf16 is taken for granted on CUDA."""
    if recipe.precision is Precision.AUTO:
        return torch.bfloat16 if device == Device.CUDA else torch.float32
    return {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}[
        recipe.precision
    ]


def weights_on(recipe: Recipe, device: str) -> torch.dtype:
    """The number format of the base's weights: fp32 where all of them train beside autocast (``base.py``: ``train_in_fp32``)."""
    full = getattr(recipe, "training", Training.FULL) is Training.FULL
    return torch.float32 if full and device != Device.CPU else dtype_on(recipe, device)


def blank_base(recipe: Recipe, config: Any, device: str) -> Any:
    """The recipe's base from its configuration: a language model, or a scorer of one output for a reward model."""
    kind: Any = AutoModelForCausalLM
    if recipe.algorithm == "rm":
        kind, config.num_labels = AutoModelForSequenceClassification, 1
    config.pad_token_id = config.pad_token_id or 0
    with META:
        model = kind.from_config(config, dtype=weights_on(recipe, device), attn_implementation="sdpa")
        if getattr(recipe, "load_in_4bit", False):
            pack(model, recipe, device)
    return model


def pack(model: Any, recipe: Recipe, device: str) -> None:
    """Linear layers become bitsandbytes' own, as ``from_pretrained`` makes them: NF4 with double quantisation."""
    dtype = dtype_on(recipe, device)
    settings = four_bit_config(dtype, torch.device(device))
    replace_with_bnb_linear(model, get_keys_to_not_convert(model), quantization_config=settings)
    for layer in model.modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            shape = layer.weight.shape
            blocks = -(-shape.numel() // BLOCK)
            nested = QuantState(
                absmax=torch.empty(-(-blocks // NESTED_BLOCK), device=META),
                code=torch.empty(256, device=META),
                blocksize=NESTED_BLOCK,
                dtype=torch.float32,
            )
            layer.weight = bnb.nn.Params4bit(
                torch.empty(((shape.numel() + 1) // 2, 1), dtype=torch.uint8, device=META),
                requires_grad=False,
                quant_type="nf4",
                bnb_quantized=True,
                quant_state=QuantState(
                    absmax=torch.empty(blocks, dtype=torch.uint8, device=META),
                    shape=shape,
                    code=torch.empty(16, device=META),
                    blocksize=BLOCK,
                    quant_type="nf4",
                    dtype=dtype,
                    offset=torch.empty((), device=META),
                    state2=nested,
                ),
            )
    model.is_loaded_in_4bit = True


def tensors_of(model: Any) -> Iterator[torch.Tensor]:
    """Every tensor that the model holds: parameters, buffers, and what NF4 keeps beside its weights."""
    yield from model.parameters()
    yield from model.buffers()
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            beside = (state.absmax, state.code, state.offset)
            nested = (state.state2.absmax, state.state2.code) if state.nested else ()
            yield from (tensor for tensor in (*beside, *nested) if isinstance(tensor, torch.Tensor))


def with_adapter(model: Any, recipe: Recipe, start: Path | None) -> Any:
    """The base with what is trained on it: the recipe's LoRA, that of the adapter it starts from, or all weights."""
    if getattr(recipe, "training", Training.FULL) is Training.FULL:
        return model.requires_grad_(True)
    task = "SEQ_CLS" if recipe.algorithm == "rm" else "CAUSAL_LM"
    config = successor_config(start, task) if start is not None else lora_config(recipe, task)
    with META:
        return get_peft_model(model, config)


@contextmanager
def as_on(device: str, dtype: torch.dtype, vocabulary: int, note_logits: Any) -> Iterator[None]:
    """Let ``meta`` compute as ``device`` would: its attention kernel, its autocast, its tiles of the fused head.

    ``note_logits`` is a context to enter while the head works.
    """
    forward, backward = ChunkedLogProbFunction.forward, ChunkedLogProbFunction.backward

    def noted(function: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            with note_logits():
                return function(*args, **kwargs)

        return staticmethod(run)

    tile = trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE
    head, enabled = cast(Any, ChunkedLogProbFunction), torch.is_autocast_enabled
    attention, linear, matmul = F.scaled_dot_product_attention, F.linear, torch.matmul
    try:
        torch.is_autocast_enabled = lambda kind=None: kind != META.type and enabled(*([kind] if kind else []))
        head.forward, head.backward = noted(forward), noted(backward)
        if device != Device.CUDA:  # a page of memory that nobody touches is not taken
            trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE = min(tile, vocabulary)
        kernels = _Kernels(device, dtype if device == Device.CUDA and dtype is not torch.float32 else None)
        if device != Device.MPS:  # by name and not by a mode: checkpointing computes again where no mode is on
            F.scaled_dot_product_attention = kernels.attention
        if kernels.autocast is not None:
            F.linear, torch.matmul = kernels.narrow(linear), kernels.narrow(matmul)
        yield
    finally:
        head.forward, head.backward = staticmethod(forward), staticmethod(backward)
        trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE, torch.is_autocast_enabled = tile, enabled
        F.scaled_dot_product_attention, F.linear, torch.matmul = attention, linear, matmul


class _Kernels:
    """Attention as the device's own kernel has it, and, where there is autocast, products in its format."""

    def __init__(self, device: str, autocast: torch.dtype | None) -> None:
        self.device, self.autocast = device, autocast

    def narrow(self, product: Any) -> Any:
        """A product that casts what it is given, as autocast would."""

        def run(*args: Any, **kwargs: Any) -> Any:
            return product(*map(self._cast, args), **{name: self._cast(value) for name, value in kwargs.items()})

        return run

    def _cast(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype is not self.autocast:
            return value.to(self.autocast)
        return value

    def attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """``F.scaled_dot_product_attention``, by the kernel that the device would take."""
        if self.autocast is not None:
            query, key, value = self._cast(query), self._cast(key), self._cast(value)
        if attn_mask is not None and attn_mask.dtype is torch.bool:
            attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(attn_mask.logical_not(), -torch.inf)
        aten = torch.ops.aten
        if self.device == Device.CPU:
            return aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
            )[0]
        if enable_gqa:
            share = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(share, 1), value.repeat_interleave(share, 1)
        if attn_mask is not None:
            attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
        keeps = torch.is_grad_enabled() and query.requires_grad
        return aten._scaled_dot_product_efficient_attention(
            query, key, value, attn_mask, keeps, dropout_p, is_causal, scale=scale
        )[0]
