"""Load a base (full or NF4), its tokenizer and adapters; decide device and number format. No training here."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    load_peft_weights,
    set_peft_model_state_dict,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedTokenizerBase

from lab.core.budget import weights_at_least
from lab.core.chats import LoadSettings
from lab.core.recipes import Device, Precision, Recipe, Training
from lab.errors import MachineError, ModelError, first_line
from lab.machine import machine_memory
from lab.store.models import PLAIN_TEMPLATE, ModelRef, resolve, shapes_of, tokenizer_place, too_big
from lab.training.cpu import attention as cpu_attention
from lab.training.cpu import feed_forward as cpu_feed_forward
from lab.training.cpu import flat_rows as cpu_flat_rows
from lab.training.cpu import linear as cpu_linear
from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.heap import large_blocks_apart
from lab.training.models import sharding
from lab.training.models.checks import causal_config, check_adapter
from lab.training.models.scorer import scorer_class
from lab.training.models.tokens import Tokens, eos_in, tokens_of
from lab.training.worker import team

DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
BF16_FROM = (8, 0)
"""CUDA's compute capability."""


@dataclass
class Loaded:
    """A model ready to train, its tokenizer, and what it was made of."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    fresh_adapter: bool
    """Whether the start is the base itself, so that switching the adapter off gives the start."""
    tokens: Tokens = None  # type: ignore[assignment]  # ``__post_init__`` examines the tokenizer where none are given
    wide: dict[str, torch.Tensor] = field(default_factory=dict)
    """On a 4-bit base, what trains as it was before a trainer was made."""

    def __post_init__(self) -> None:
        if self.tokens is None:
            self.tokens = tokens_of(self.tokenizer, eos_of(self.model))
        if self.device.type == "cpu":
            cpu_lora.use_on_cpu(self.model)

    def keep_wide(self) -> None:
        """Note what trains on a 4-bit base, before trl's trainers round it to bf16 as they are made.

        Rounding would move a start adapter off its reference, stop a head on fp32 states, and break fp16's grad scaler.
        """
        four_bits = getattr(self.model, "is_loaded_in_4bit", False)
        trains = self.model.named_parameters() if four_bits else ()
        self.wide = {name: value.detach().clone() for name, value in trains if value.requires_grad}

    def widen(self) -> None:
        """Put it back, once the trainer is made."""
        for name, value in self.model.named_parameters():
            if name in self.wide:
                value.data = self.wide[name]
        self.wide = {}


def choose_device(wanted: Device) -> torch.device:
    """CUDA, then MPS, then CPU; MachineError where the wanted one is not there."""
    has = {Device.CUDA: torch.cuda.is_available(), Device.MPS: torch.backends.mps.is_available(), Device.CPU: True}
    if wanted is Device.AUTO:
        wanted = next(device for device, there in has.items() if there)
    if not has[wanted]:
        raise MachineError(
            "device_missing", value=wanted.value, there=", ".join(d.value for d, there in has.items() if there)
        )
    return torch.device(wanted.value)


def choose_dtype(wanted: Precision, device: torch.device) -> torch.dtype:
    """bf16 on CUDA chips that have it (fp16 on a T4), fp32 elsewhere, unless the recipe says otherwise."""
    if wanted is Precision.AUTO:
        capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
        wanted = default_precision(device.type, capability)
    return DTYPES[wanted]


def default_precision(kind: str, capability: tuple[int, int]) -> Precision:
    """bf16 where a CUDA chip computes in it (from compute capability 8 on), fp16 on older ones such as a T4, fp32 elsewhere.

    The adapters stay fp32 whatever it is (``Loaded.widen``).
    """
    if kind != "cuda":
        return Precision.FP32
    return Precision.BF16 if capability >= BF16_FROM else Precision.FP16


def default_optimizer(kind: str, four_bits: bool) -> str:
    """AdamW by its name in transformers: with paged 8-bit moments beside a 4-bit base on CUDA (QLoRA, arXiv 2305.14314, section 3)."""
    return "paged_adamw_8bit" if kind == "cuda" and four_bits else "adamw_torch_fused"


def load(recipe: Recipe, home: Path) -> Loaded:
    """The recipe's start model, with a trainable adapter where it asks for LoRA."""
    device = choose_device(recipe.device)
    ref = checked(recipe.model, home)
    tokenizer = load_tokenizer(ref)
    fresh = ref.adapter is None
    with sharding.in_turn(recipe, device) as mesh:
        base = _load_base(ref.base, recipe, device, home)
        if not recipe.trains_all_weights:
            if ref.adapter is not None:  # a successor trains a copy of the start adapter, of its rank
                model = PeftModel.from_pretrained(base, ref.adapter, is_trainable=True)
            else:
                model = get_peft_model(base, lora_config(recipe))
        else:
            if ref.adapter is not None:
                base = PeftModel.from_pretrained(base, ref.adapter).merge_and_unload()
            model = base.requires_grad_(True)  # peft has frozen it
        train_in_fp32(model)
        sharding.shard(model, mesh, device)
    loaded = Loaded(model, tokenizer, device, fresh, load_tokens(ref, tokenizer))
    settle_tokens(model, loaded.tokens)
    return loaded


def settle_tokens(model: Any, tokens: Tokens) -> None:
    """Let a model pad with the tokenizer's token and stop at every end, here and wherever it is saved to."""
    model.config.pad_token_id = tokens.pad
    if (generation := getattr(model, "generation_config", None)) is not None:
        generation.pad_token_id, generation.eos_token_id = tokens.pad, list(tokens.ends)


def load_scorer(recipe: Recipe, home: Path) -> Loaded:
    """The recipe's start with a head of one output in place of the language model's, and an adapter where it asks for LoRA.

    A start that is an adapter (SFT → reward model) gives its weights to the new adapter, which stands on the same base then.
    """
    device = choose_device(recipe.device)
    ref = checked(recipe.model, home)
    tokenizer = load_tokenizer(ref)
    lora = not recipe.trains_all_weights
    with sharding.in_turn(recipe, device) as mesh:
        model = _load_base(ref.base, recipe, device, home, scorer=True)
        model.config.pad_token_id = tokenizer.pad_token_id
        if ref.adapter is not None:
            model = get_peft_model(model, successor_config(ref.adapter, "SEQ_CLS"))
            start = load_peft_weights(str(ref.adapter), device=str(model.device))
            set_peft_model_state_dict(model, get_peft_model_state_dict(model) | start)  # the head is its own
            model = model if lora else model.merge_and_unload().requires_grad_(True)
        elif lora:
            model = get_peft_model(model, lora_config(recipe, "SEQ_CLS"))
        train_in_fp32(model)
        sharding.shard(model, mesh, device)
    return Loaded(model, tokenizer, device, ref.adapter is None, load_tokens(ref, tokenizer))


def load_frozen_scorer(recipe: Recipe, ref: ModelRef, home: Path) -> Any:
    """A reward model as its run left it, frozen: its head and adapter on the base that the recipe asks for."""
    start = recipe.model_copy(update={"model": ref.base, "training": Training.FULL})  # no new adapter on it
    model = load_scorer(start, home).model
    if ref.adapter is not None:
        model = PeftModel.from_pretrained(model, ref.adapter)
    return model.requires_grad_(False).eval()


def load_start(recipe: Recipe | LoadSettings, home: Path) -> Any:
    """The start model again, frozen: what a run is compared with when switching its adapter off does not give it."""
    ref, device = checked(recipe.model, home), choose_device(recipe.device)
    with sharding.in_turn(recipe, device) as mesh:
        base = _load_base(ref.base, recipe, device, home)
        model = PeftModel.from_pretrained(base, ref.adapter) if ref.adapter is not None else base
        sharding.shard(model, mesh, device)
    if device.type == "cpu":
        cpu_lora.use_on_cpu(model)
    return model.requires_grad_(False).eval()


def checked(model: str, home: Path) -> ModelRef:
    """A recipe's model by its places. Raises ModelError where its adapter is none that the lab trains."""
    ref = resolve(model, home)
    if ref.adapter is not None:
        check_adapter(ref.adapter)
    return ref


def load_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """The tokenizer with a pad token that is not its end token, and a chat template."""
    place = tokenizer_place(ref)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
    except Exception as error:  # whatever a converter of foreign formats raises
        only = Path(place) / "tokenizer.model"
        if only.is_file() and not (Path(place) / "tokenizer.json").is_file():
            raise ModelError("tokenizer_unreadable", value=ref.name, file=only.name, why=first_line(error)) from None
        raise ModelError("model_tokenizer", value=ref.name, why=first_line(error)) from None
    tokenizer.padding_side = "left"
    mend_padding(tokenizer)
    if tokenizer.chat_template is None:
        print("this model has no chat template: using `plain` (prompt, new line, completion, end)", flush=True)
        tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer


def load_tokens(ref: ModelRef, tokenizer: PreTrainedTokenizerBase | None = None) -> Tokens:
    """A model's tokenizer, examined: what is trained, where turns end, what pads. No weight is read."""
    eos = [end for place in (ref.adapter, ref.base) if place is not None for end in eos_in(place)]
    return tokens_of(tokenizer or load_tokenizer(ref), eos)


def eos_of(model: Any) -> tuple[int, ...]:
    """The end tokens that a loaded model's ``generation_config`` names, or its ``config`` where it has none."""
    for config in (getattr(model, "generation_config", None), model.config):
        if (ends := getattr(config, "eos_token_id", None)) is not None:
            return tuple(ends) if isinstance(ends, (list, tuple)) else (int(ends),)
    return ()


def mend_padding(tokenizer: Any, vocabulary: int | None = None) -> None:
    """A pad token that is not the end token: padding with the end token would mask the end out of the labels.

    ``vocabulary`` is the number of tokens that the model has, where the tokenizer may know more.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        spare = "<|endoftext|>"
        number = tokenizer.get_vocab().get(spare)
        usable = number is not None and number != tokenizer.eos_token_id and (vocabulary is None or number < vocabulary)
        tokenizer.pad_token = spare if usable else tokenizer.unk_token or tokenizer.eos_token


def lora_config(recipe: Any, task_type: str = "CAUSAL_LM") -> LoraConfig:
    """LoRA on all linear layers (QLoRA, arXiv 2305.14314, section 4)."""
    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type=task_type,
    )


def successor_config(adapter: Path | str, task_type: str = "CAUSAL_LM") -> LoraConfig:
    """The shape of an adapter that a run starts from, for one of its rank that trains."""
    config = LoraConfig.from_pretrained(str(adapter))
    config.task_type, config.inference_mode = task_type, False
    return config


def four_bit_config(dtype: torch.dtype, device: torch.device) -> BitsAndBytesConfig:
    """NF4 with double quantisation; products are made in the run's format on CUDA, in fp32 elsewhere."""
    compute = dtype if device.type == "cuda" else torch.float32
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


def check_room(place: str, recipe: Recipe | LoadSettings, device: torch.device, dtype: torch.dtype) -> None:
    """Raise MachineError where a base would not fit into what is free on the device now; nothing is read but headers."""
    four_bits = recipe.four_bit_base
    if four_bits and find_spec("bitsandbytes") is None:
        raise MachineError("four_bits_missing")
    if four_bits and device.type == Device.MPS:
        raise MachineError("four_bits_device", device=device.type)
    need = weights_at_least(shapes_of(Path(place)), four_bits, dtype.itemsize) if Path(place).is_dir() else 0
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else machine_memory()[0]
    if device.type == "cuda" and sharding.is_asked_for(recipe):
        need //= team.size()
    if need > free:
        raise too_big(recipe, need, free)


def train_in_fp32(model: Any) -> None:
    """What trains is kept in fp32 on every device, and autocast computes in less: small steps would be lost in bf16, and the grad scaler
    of fp16 refuses fp16 gradients. (peft does so with its adapters; full weights and a scorer's head are left.)"""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()


def keep_trainable(model: Any) -> None:
    """Let a 4-bit base stay as it was packed. On CPUs with AVX512-BF16, bitsandbytes packs it anew at the first pass without
    gradients, for good, and what is packed so passes no gradient on to the layers before it."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _load_base(
    place: str, recipe: Recipe | LoadSettings, device: torch.device, home: Path, *, scorer: bool = False
) -> Any:
    """The base without adapters; one that is to be sharded stays in main memory. Raises ModelError where it is no causal language model, or
    lacks weights."""
    dtype = choose_dtype(recipe.precision, device)
    config = causal_config(place, scorer=scorer)
    check_room(place, recipe, device, dtype)
    place_of_base = torch.device("cpu") if sharding.is_asked_for(recipe) else device
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    if recipe.four_bit_base:
        options["quantization_config"] = four_bit_config(dtype, device)
        options["device_map"] = {"": str(place_of_base)}
    kind: Any = AutoModelForCausalLM
    if scorer:
        config.num_labels, kind = 1, scorer_class(config)
    try:
        with large_blocks_apart():
            model, loading = kind.from_pretrained(place, config=config, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError("model_cannot_load", value=place, why=first_line(error)) from None
    missing = sorted(key for key in loading["missing_keys"] if not (scorer and key == "score.weight"))
    if missing:
        raise ModelError("model_weights_missing", value=place, count=len(missing), first=missing[0])
    keep_trainable(model)
    count_positions(model)
    join_last_states(model)
    if device.type == "cpu":
        cpu_attention.use_on_cpu()
        cpu_linear.settle(home)
        cpu_linear.use_on_cpu(model)
        cpu_feed_forward.use_on_cpu(model)
        cpu_flat_rows.use_on_cpu(model)
    return model if "device_map" in options else model.to(place_of_base)


def count_positions(model: Any) -> None:
    """Let a model with learned positions (GPT-2) count them from a row's first token, and not from the padding on its left.

    Generating does so by itself; training's passes over the same rows must not read them at other positions.
    """
    body = getattr(model, model.base_model_prefix)

    def number(_module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        mask = named.get("attention_mask")
        if (
            named.get("position_ids") is None
            and named.get("past_key_values") is None
            and mask is not None
            and mask.dim() == 2
        ):
            named = {**named, "position_ids": (mask.long().cumsum(1) - 1).clamp(min=0)}
        return given, named

    if hasattr(body, "wpe"):
        body.register_forward_pre_hook(number, with_kwargs=True)


def join_last_states(model: Any) -> None:
    """Hand the head contiguous states: from a view of each row's last ones (the first pass of generating), torch's bf16 product on a CPU
    makes a copy of the head's weights for every row: 1.8 GB and two seconds for 32 rows of SmolLM2-135M."""
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(lambda _module, given: (given[0].contiguous(), *given[1:]))
