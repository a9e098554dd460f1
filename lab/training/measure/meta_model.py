"""A recipe's model on the ``meta`` device, and the passes that set a run's peak of memory: real modules with shapes and no numbers.

A pass gives tensors of the right shape and takes no memory; a ledger counts what it would take. Two passes are made: reading the
prompts that are sampled together, and forward and backward of one micro-batch. What does not depend on a pass is arithmetic: NF4's
layout, Adam's moments, the cache of keys and values, PPO's other roles. Not here: for which lengths, and how deep models are
extrapolated (``memory.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import get_peft_model
from transformers import AutoModelForCausalLM
from transformers.quantizers.base import get_keys_to_not_convert
from trl.kernels.chunked_logprob import ChunkedLogProbFunction
from trl.trainer import utils as trl_utils
from trl.trainer.utils import add_fused_lm_head

from lab.core.algorithms import Head, algorithm_of
from lab.core.budget import Lengths, MemoryPart, Stage, StageCost
from lab.core.recipes import Critic, Device, Precision, Recipe
from lab.store.models import ModelRef, reward_adapter
from lab.training.algorithms import losses
from lab.training.cpu import feed_forward as cpu_feed_forward
from lab.training.cpu import llama_step
from lab.training.cpu import lora as cpu_lora
from lab.training.cpu.flat_rows import pays, reads_flat
from lab.training.cpu.head import CpuHead
from lab.training.measure.ledger import Ledger
from lab.training.models.base import DTYPES, default_optimizer, lora_config, successor_config
from lab.training.models.roles import POLICY
from lab.training.models.scorer import scorer_class
from lab.training.models.sharding import gathered_alone, layers_of
from lab.training.trainers.step_trainer import log_probs

META = torch.device("meta")
BLOCK, NESTED_BLOCK = 64, 256
"""Weights that share a scale in NF4, and scales that share one when they are quantised again."""
LEAST_IN_8_BITS = 4096
"""Weights that a tensor must have for bitsandbytes to keep its moments in 8 bits."""
FP32 = 4

Parts = dict[MemoryPart, int]


class MetaModel:
    """The model that a recipe trains, without numbers. ``device`` is the kind of device that it would be on, which need not be here."""

    def __init__(
        self, recipe: Recipe, home: Path, lengths: Lengths, device: str, config: Any, ref: ModelRef | None
    ) -> None:
        self.recipe, self.lengths, self.device = recipe, lengths, device
        self.text = config.get_text_config()
        self.scores = algorithm_of(recipe).head is Head.SCORE
        self.dtype = torch.float32 if recipe.trains_all_weights else compute_dtype(recipe, device)
        """Of the base: fp32 where all weights train, and autocast computes in less (``base.train_in_fp32``)."""
        base = self._base(config)
        self.pays = pays(base) if device == Device.CPU and reads_flat(base) else 0.0
        samples = algorithm_of(recipe).writes_groups or (lengths.held_out and not self.scores)
        copies = device == Device.CPU and samples and not recipe.four_bit_base and llama_step.serves(base)
        self.copied = llama_step.bytes_to_copy(base) if copies else 0
        """Bytes of the layers' weights, which a run that samples on a CPU holds a second time."""
        packed = _packed_layers(base) if recipe.four_bit_base else []
        self.unpacked = max((layer.weight.numel() for layer in packed), default=0) * self.dtype.itemsize
        """Bytes of the largest weight that bitsandbytes unpacks for its product."""
        self.parameters = sum(parameter.numel() for parameter in base.parameters())
        tensors = {id(tensor): tensor for tensor in (*base.parameters(), *base.buffers())}.values()
        saved = sum(layer.weight.nbytes - nf4_bytes(layer.weight.numel()) for layer in packed)
        self.weights = self.loaded = (sum(tensor.nbytes for tensor in tensors) - saved) * recipe.bases_in_memory
        if recipe.shards_base:
            self._shard(base, packed)
        start = ref.adapter if ref is not None else None
        self.model = base if recipe.trains_all_weights else self._with_adapter(base, start)
        self.model.requires_grad_(recipe.trains_all_weights)
        self.trained = [
            p for name, p in self.model.named_parameters() if recipe.trains_all_weights or f".{POLICY}." in name
        ]
        for parameter in self.trained:
            parameter.requires_grad_(True)
        if recipe.recomputes_activations:
            self.model.gradient_checkpointing_enable()
            if not recipe.trains_all_weights:
                self.model.enable_input_require_grads()
        self._add_roles(home, start)

    def _base(self, config: Any) -> Any:
        config.pad_token_id = config.pad_token_id or 0
        kind: Any = AutoModelForCausalLM
        if self.scores:
            config.num_labels, kind = 1, scorer_class(config)
        make = kind._from_config if self.scores else kind.from_config
        with META:
            base = make(config, dtype=self.dtype, attn_implementation="sdpa")
        if self.device == Device.CPU:
            cpu_feed_forward.use_on_cpu(base)
        if not self.scores and algorithm_of(self.recipe).starts_from_model:
            add_fused_lm_head(base, outputs=("log_probs", "entropy", "is_top1"))
        return base

    def _shard(self, base: Any, packed: list[torch.nn.Linear]) -> None:
        """Bytes of a sharded base in one process: its part, the scales of 4-bit weights, and what is gathered at a time: the head, and three
        layers (one computes, the next one is there twice as it arrives) or the embeddings.

        On a CPU the processes load in turn: what they hold together at the last turn, by their number. Main memory beside a GPU is not counted.
        """
        whole, processes = self.weights, self.recipe.processes
        alone, layers = gathered_alone(base), layers_of(base)
        codes = {layer: layer.weight.numel() // 2 for layer in packed}
        scales = sum(nf4_bytes(layer.weight.numel()) - size for layer, size in codes.items())

        def size_of(module: torch.nn.Module) -> int:
            narrower = sum(part.weight.nbytes - codes[part] for part in module.modules() if part in codes)  # type: ignore[index, operator, union-attr]
            return sum(parameter.nbytes for parameter in module.parameters()) - narrower

        largest = max((size_of(layer) for layer in layers), default=0)
        at_a_time = max(3 * largest, max((size_of(module) for module in alone), default=0))
        part = (whole - scales) // processes + scales
        self.weights = part + whole - scales - sum(map(size_of, alone)) + at_a_time
        self.loaded = (whole + (processes - 1) * part) // processes if self.device == Device.CPU else part + largest

    def _with_adapter(self, base: Any, start: Path | str | None) -> Any:
        task = "SEQ_CLS" if self.scores else "CAUSAL_LM"
        with META:
            model = get_peft_model(base, successor_config(start, task) if start else lora_config(self.recipe, task))
        if self.device == Device.CPU:
            cpu_lora.use_on_cpu(model)
        return model

    def _add_roles(self, home: Path, start: Path | str | None) -> None:
        """Bytes of what is held beside the base and the policy's adapter, of Adam's moments, and of gradients that wait."""
        recipe = self.recipe
        policy = 0 if recipe.trains_all_weights else sum(parameter.nbytes for parameter in self.trained)
        moments = sum(2 * parameter.numel() * self._moment_size(parameter) for parameter in self.trained)
        self.trained_parameters = sum(parameter.numel() for parameter in self.trained)
        head = FP32 * self.text.hidden_size
        roles = critic_gradients = 0
        if policy and start is not None and "reference" in recipe.roles:
            roles += policy  # a frozen copy of the start adapter
        if recipe.reward_run:
            roles += (
                (reward_adapter(recipe.reward_run, recipe.model, home) / "adapter_model.safetensors").stat().st_size
            )
        if algorithm_of(recipe).has_critic:
            own = recipe.critic is Critic.OWN  # type: ignore[attr-defined]
            critic_gradients = head + own * policy
            roles += critic_gradients
            moments += 2 * head + own * moments
            self.trained_parameters += self.text.hidden_size + own * self.trained_parameters
        self.held: Parts = {
            MemoryPart.WEIGHTS: self.weights,
            MemoryPart.ADAPTERS: policy,
            MemoryPart.ROLES: roles,
        }
        self.moments, self.critic_gradients = moments, critic_gradients

    def _moment_size(self, parameter: torch.Tensor) -> int:
        """Bytes of one of Adam's numbers: one where the run's optimiser keeps it in 8 bits, which small tensors are left out of."""
        eight = "8bit" in default_optimizer(self.device, self.recipe.four_bit_base)
        return 1 if eight and parameter.numel() >= LEAST_IN_8_BITS else parameter.element_size()

    # ---- the stages

    def stages(self) -> list[StageCost]:
        """The peak of each thing that the run does; a stage may have several."""
        lengths, costs = self.lengths, [self._cost(Stage.LOADING)]
        ledger = Ledger(self.text.vocab_size)
        ledger.hold((*self.model.parameters(), *self.model.buffers()), MemoryPart.WEIGHTS)
        with as_on(self.device, compute_dtype(self.recipe, self.device), self.text.vocab_size, ledger):
            if lengths.held_out and self.scores:
                costs.append(self._reading(ledger, Stage.MEASURING, lengths.held_out, lengths.whole, cached=False))
            elif lengths.held_out:
                costs += self._sampling(ledger, Stage.MEASURING, lengths.held_out)
            if algorithm_of(self.recipe).writes_groups:
                costs += self._sampling(ledger, Stage.ROLLOUT, lengths.rollout)
            costs.append(self._update(ledger))
        return costs

    def _cost(self, stage: Stage, peak: Parts | None = None, **more: int) -> StageCost:
        """What is held all the time, a pass's peak, and more by part."""
        parts = dict(self.held)
        if stage is Stage.LOADING:
            parts[MemoryPart.WEIGHTS] = self.loaded
        else:
            parts[MemoryPart.OPTIMISER] = self.moments
        for part, size in (*(peak or {}).items(), *((MemoryPart(name), size) for name, size in more.items())):
            if part is not MemoryPart.WEIGHTS:  # counted above, as they are packed
                parts[part] = parts.get(part, 0) + size
        return StageCost(stage=stage, parts={part: parts[part] for part in MemoryPart if parts.get(part)})

    @torch.no_grad()
    def _reading(self, ledger: Ledger, stage: Stage, rows: int, tokens: int, *, cached: bool = True) -> StageCost:
        """A pass over prompts, or over whole rows to score."""
        self.model.eval()
        ledger.restart()
        with ledger:
            self.model(**_batch(rows, tokens), use_cache=False, **({} if self.scores else {"logits_to_keep": 1}))
        cache = self._cache(rows, tokens) if cached else 0
        return self._cost(stage, ledger.at_peak, cache=cache, activations=self._unpacking)

    def _sampling(self, ledger: Ledger, stage: Stage, rows: int) -> list[StageCost]:
        """Reading the prompts, and drawing the last token, when the cache is fullest: one layer's is there twice."""
        cache = self._cache(rows, self.lengths.whole)
        logits = rows * self.text.vocab_size * (self.dtype.itemsize + 3 * FP32)  # fp32 scores, chances, and a draw
        last = self._cost(
            stage, cache=cache + cache // self.text.num_hidden_layers, logits=logits, activations=self._unpacking
        )
        return [self._reading(ledger, stage, rows, self.lengths.prompt), last]

    def _cache(self, rows: int, tokens: int) -> int:
        """Keys and values of all layers."""
        text = self.text
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        return int(2 * text.num_hidden_layers * rows * tokens * heads * size * self.dtype.itemsize)

    @property
    def _unpacking(self) -> int:
        """On CUDA a fused kernel unpacks within itself as long as no gradient is asked for."""
        return 0 if self.device == Device.CUDA else self.unpacked

    def _update(self, ledger: Ledger) -> StageCost:
        """Forward and backward; where a step has several micro-batches, beside the gradients of those before."""
        self.model.train()
        if self.recipe.rows_per_micro_batch < self.recipe.batch_size:  # type: ignore[attr-defined]
            for parameter in self.trained:
                parameter.grad = torch.zeros_like(parameter)
                ledger.hold([parameter.grad], MemoryPart.GRADIENTS)
        for parameter in self.trained:
            parameter.register_post_accumulate_grad_hook(lambda p: ledger.hold([p.grad], MemoryPart.GRADIENTS))
        ledger.restart()
        with ledger:
            self._loss().backward()
        return self._cost(Stage.UPDATE, ledger.at_peak, gradients=self.critic_gradients, activations=self.unpacked)

    def _loss(self) -> torch.Tensor:
        """A loss of the recipe's kind, through the functions that its trainer calls. What is done to the few numbers that a
        log-probability leaves takes next to nothing."""
        rows, tokens = self.lengths.rows, self.lengths.whole
        if 0 < self.lengths.read <= self.pays * rows * tokens:
            rows = -(-self.lengths.read // tokens)
            rows += self.scores and rows % 2  # scores come in pairs
            tokens = -(-self.lengths.read // rows)
        batch = _batch(rows, tokens)
        if self.scores:
            chosen, rejected = self.model(**batch, use_cache=False).logits.squeeze(-1).float().chunk(2)
            return losses.bradley_terry(chosen, rejected).mean()
        if algorithm_of(self.recipe).starts_from_model:
            return -log_probs(self.model, batch, batch["attention_mask"]).log_probs.mean()
        return -losses.next_token_logps(self.model(**batch).logits, batch["input_ids"]).mean()


def compute_dtype(recipe: Recipe, device: str) -> torch.dtype:
    """The number format that the recipe computes in on a kind of device; bf16 is taken for granted on CUDA."""
    if recipe.precision is Precision.AUTO:
        return torch.bfloat16 if device == Device.CUDA else torch.float32
    return DTYPES[recipe.precision]


def nf4_bytes(weights: int) -> int:
    """What bitsandbytes keeps of a matrix in NF4 with double quantisation: codes, scales in 8 bits, their own scales, two tables."""
    blocks = -(-weights // BLOCK)
    return -(-weights // 2) + blocks + FP32 * (-(-blocks // NESTED_BLOCK) + 256 + 16 + 1)


def _packed_layers(model: Any) -> list[torch.nn.Linear]:
    kept = get_keys_to_not_convert(model)
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not any(name == key or name.endswith("." + key) for key in kept)
    ]


def _batch(rows: int, tokens: int) -> dict[str, torch.Tensor]:
    ones = torch.ones(rows, tokens, dtype=torch.long, device=META)
    return {"input_ids": ones, "attention_mask": torch.ones_like(ones)}


@contextmanager
def as_on(device: str, dtype: torch.dtype, vocabulary: int, ledger: Ledger) -> Iterator[None]:
    """Let ``meta`` compute as ``device`` would: its attention kernel, its autocast, its tiles of the fused head, noted as logits.

    Functions are replaced by name, and not by a mode: gradient checkpointing computes again where no mode is on.
    """
    autocast = dtype if device != Device.MPS and dtype is not torch.float32 else None
    enabled, head = torch.is_autocast_enabled, CpuHead if device == Device.CPU else ChunkedLogProbFunction

    def cast(value: Any) -> Any:
        return value.to(autocast) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    def narrowed(product: Any) -> Any:
        return lambda *args, **named: product(*map(cast, args), **{name: cast(each) for name, each in named.items()})

    def noted(function: Any) -> Any:
        def run(*args: Any) -> Any:
            with ledger.noting(MemoryPart.LOGITS):
                return function(*args)

        return staticmethod(run)

    changes: list[tuple[Any, str, Any]] = [
        (torch, "is_autocast_enabled", lambda kind=None: kind != META.type and enabled(*([kind] if kind else []))),
        (head, "forward", noted(head.forward)),
        (head, "backward", noted(head.backward)),
        (trl_utils, "_ChunkedLogProbFunction", head),
        (trl_utils, "_use_triton", lambda _device: False),  # which places have a label cannot be asked of ``meta``
    ]
    if device == Device.MPS:  # memory that is never touched is never taken
        tile = min(trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE, vocabulary)
        changes.append((trl_utils, "_CHUNKED_LOGPROB_CHUNK_SIZE", tile))
    if device != Device.MPS:
        changes.append((F, "scaled_dot_product_attention", narrowed(_attention) if autocast else _attention))
    if autocast is not None:
        changes += [(F, "linear", narrowed(F.linear)), (torch, "matmul", narrowed(torch.matmul))]
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _attention(query: Any, key: Any, value: Any, attn_mask: Any = None, **options: Any) -> torch.Tensor:
    """The CPU's fused kernel; what those of CUDA keep for backward is the same: the inputs, the output, and a number a row of scores."""
    if attn_mask is not None and attn_mask.dtype is torch.bool:  # as the numbers that kernels add to scores
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(attn_mask.logical_not(), -torch.inf)
    causal, scale = options.get("is_causal", False), options.get("scale")
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    output: torch.Tensor = kernel(query, key, value, 0.0, causal, attn_mask=attn_mask, scale=scale)[0]
    return output
